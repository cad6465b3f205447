"""From a bundle to the folder that a server hands out to browsers."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dfedge.bundles.archive import CARD_NAME
from dfedge.bundles.bundle import Bundle
from dfedge.bundles.card import DetectorCard
from dfedge.bundles.store import FACE_MODEL
from dfedge.bundles.web import (
    MANIFEST_NAME,
    MAX_WEB_BYTES,
    SIGNATURE_NAME,
    SelfTest,
    WebFile,
    WebManifest,
    trial_picture,
)
from dfedge.crops import Preprocessor
from dfedge.errors import UsageError
from dfedge.runtime import open_model
from dfedge.scoring import fake_logits


def sign_bundle(
    bundle: Bundle, card: DetectorCard, key: Ed25519PrivateKey, folder: Path
) -> WebManifest:
    """Write the signed form of a bundle, whole or not at all.

    Raises:
        UsageError: the extension cannot run it, or `folder` is something else.
        BundleError: it is not sound.
    """
    files = _files(bundle, card)
    manifest = WebManifest(
        name=card.name,
        version=card.version,
        files=tuple(
            WebFile(name=name, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
            for name, content in files.items()
        ),
        self_test=SelfTest(logit=_logit(bundle, card)),
    )
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    signature = base64.b64encode(key.sign(text)) + b"\n"
    _write(folder, {**files, MANIFEST_NAME: text, SIGNATURE_NAME: signature})
    return manifest


def _files(bundle: Bundle, card: DetectorCard) -> dict[str, bytes]:
    """What the extension needs, by name.

    Raises:
        UsageError: it takes something that the extension does not give, or is too large.
    """
    if card.input.frames != 1 or card.crop.box_source != FACE_MODEL:
        raise UsageError(
            f"{card.name}: looks at {card.input.frames} frames of {card.crop.box_source}; the "
            f"extension runs models of single faces that {FACE_MODEL} finds"
        )
    graphs = {bundle.entry(role).name: bundle.read(role) for role in ("model", "preprocess")}
    entries = tuple(entry for entry in card.files if entry.name in graphs)
    # A source is of no use there, so the card is told without it.
    slim = msgspec.structs.replace(card, files=entries)
    text = bundle.card_json if slim == card else msgspec.json.encode(slim)
    files = {CARD_NAME: text, **graphs}
    size = sum(map(len, files.values()))
    if size > MAX_WEB_BYTES:
        raise UsageError(
            f"{card.name}: has {size / 1e6:.1f} MB, browsers take {MAX_WEB_BYTES / 1e6:.1f}; "
            "`dfedge export --target web` or `dfedge quantize` makes it smaller"
        )
    return files


def _logit(bundle: Bundle, card: DetectorCard) -> float:
    """What the bundle says of the self-test's picture."""
    preprocess = Preprocessor(bundle)
    model = open_model(bundle, device="cpu", threads=1)
    try:
        outputs = model.run({card.input.name: preprocess([trial_picture()])})
    finally:
        model.close()
        preprocess.close()
    return round(float(fake_logits(outputs[card.output.name], card.output)[0]), 6)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """A new folder in the place of an older one.

    Raises:
        UsageError: there is something that is no signed bundle, or it cannot be written.
    """
    if folder.exists() and not (folder / MANIFEST_NAME).is_file():
        raise UsageError(f"--out {folder}: is there and is no signed bundle; choose another place")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for name, content in files.items():
                (staging / name).write_bytes(content)
            staging.chmod(0o755)  # a temporary folder is its owner's only
            if folder.exists():
                shutil.rmtree(folder)
            os.replace(staging, folder)  # noqa: PTH105 - the one call that names what it does
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise UsageError(f"--out {folder}: {error.strerror}; choose another place") from error
