"""``dfedge sign``: its output bears the signature, names every file, and replaces nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

pytest.importorskip("cryptography", reason="needs the extra 'tools'")

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from dfedge.bundles.bundle import load_bundle
from dfedge.bundles.store import DEFAULT_MODEL, resolve_detector
from dfedge.bundles.web import MANIFEST_NAME, SIGNATURE_NAME, read_signed, trial_picture
from dfedge.cli import main
from dfedge.crops import Preprocessor
from dfedge.errors import BundleFormatError, BundleNotFoundError
from dfedge.runtime import open_model
from dfedge.scoring import fake_logits


@pytest.fixture
def key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, Ed25519PublicKey]:
    """A private key's file and the public key that was printed."""
    path = tmp_path / "test.key"
    assert 0 == main(["sign", "keygen", str(path)])
    public = base64.b64decode(capsys.readouterr().out)
    return path, Ed25519PublicKey.from_public_bytes(public)


def test_a_key_is_its_owners_and_is_never_replaced(
    key: tuple[Path, Ed25519PublicKey], capsys: pytest.CaptureFixture[str]
) -> None:
    """Mode 600; a second keygen at the same place changes nothing."""
    path, _ = key
    before = path.read_bytes()
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    assert 2 == main(["sign", "keygen", str(path)])
    assert "is there already" in capsys.readouterr().err
    assert before == path.read_bytes()


def test_the_signature_is_over_the_bytes_of_a_manifest_of_all_files(
    key: tuple[Path, Ed25519PublicKey], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It holds for the file as it lies there; names, sizes and sha256 are those of the folder."""
    path, public = key
    out = tmp_path / "out"
    assert 0 == main(["sign", "bundle", DEFAULT_MODEL, "--key", str(path), "--out", str(out)])
    assert base64.b64encode(public.public_bytes_raw()).decode() in capsys.readouterr().out
    text = (out / MANIFEST_NAME).read_bytes()
    signature = base64.b64decode((out / SIGNATURE_NAME).read_bytes())
    public.verify(signature, text)
    with pytest.raises(InvalidSignature):
        public.verify(signature, text.replace(b"0.1.0", b"0.1.1"))
    manifest, signed = read_signed(out)
    assert text == signed.manifest.encode()
    named = {file.name: (file.size_bytes, file.sha256) for file in manifest.files}
    there = {
        file.name: (file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest())
        for file in out.iterdir()
        if file.name not in (MANIFEST_NAME, SIGNATURE_NAME)
    }
    assert named == there


def test_the_folder_is_a_bundle_and_the_logit_is_its_own(
    key: tuple[Path, Ed25519PublicKey], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is handed out loads as a bundle, and gives the signed logit for the picture."""
    out = tmp_path / "out"
    words = ["sign", "bundle", DEFAULT_MODEL, "--key", str(key[0]), "--out", str(out), "--json"]
    assert 0 == main(words)
    manifest = json.loads(capsys.readouterr().out)["manifest"]
    bundle = load_bundle(out)
    _, card = resolve_detector(out)
    assert (manifest["name"], manifest["version"]) == (card.name, card.version)
    inputs = Preprocessor(bundle)([trial_picture()])
    outputs = open_model(bundle, device="cpu").run({card.input.name: inputs})
    logit = fake_logits(outputs[card.output.name], card.output)[0]
    assert pytest.approx(logit, abs=1e-4) == manifest["self_test"]["logit"]


def test_the_picture_is_that_of_the_formula() -> None:
    """Some of its bytes, worked out by hand; and it is no plain colour."""
    picture = trial_picture()
    assert ((200, 200, 3), "uint8") == (picture.shape, picture.dtype.name)
    assert [0, 40, 80] == picture[0, 0].tolist()
    assert (3 * 199 + 5 * 150 + 40 + 199 * 150 // 32) % 256 == picture[150, 199, 1]
    assert 256 == len(np.unique(picture))
    digest = "385b75d65c17646e916c635264feec23d923d7eaeec67103810bd541f3d0e8d4"
    assert digest == hashlib.sha256(picture.tobytes()).hexdigest()


def test_an_older_one_is_replaced_and_nothing_else(
    key: tuple[Path, Ed25519PublicKey], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A signed bundle gives way; a folder of anything else is refused and stays."""
    words = ["sign", "bundle", DEFAULT_MODEL, "--key", str(key[0]), "--out"]
    out = tmp_path / "out"
    assert 0 == main([*words, str(out)])
    (out / "left-over").write_text("")
    assert 0 == main([*words, str(out)])
    assert not (out / "left-over").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis").write_text("words")
    assert 2 == main([*words, str(mine)])
    assert "is no signed bundle" in capsys.readouterr().err
    assert ["thesis"] == [file.name for file in mine.iterdir()]


def test_what_the_extension_cannot_run_is_not_signed(
    key: tuple[Path, Ed25519PublicKey], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bundle too large for it, and one whose faces another detector finds."""
    out = tmp_path / "out"
    words = ["sign", "bundle", "--key", str(key[0]), "--out", str(out)]
    assert 2 == main([*words, "dfedge-b0"])
    assert "dfedge export --target web" in capsys.readouterr().err
    other = _copy(tmp_path, lambda card: card["crop"].update(box_source="blazeface-short-range"))
    assert 2 == main([*words, str(other)])
    assert "blazeface-short-range" in capsys.readouterr().err
    assert not out.exists()


def test_only_ed25519_signs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No file, a file that is no key, and a key of another kind are told apart from a good one."""
    rsa = generate_private_key(65537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    for name, content in (("absent", None), ("text", b"hello"), ("rsa", rsa)):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        words = ["sign", "bundle", DEFAULT_MODEL, "--key", str(path), "--out", str(tmp_path / "o")]
        assert 2 == main(words)
        assert str(path) in capsys.readouterr().err


def test_a_folder_that_holds_no_signed_bundle_says_so(tmp_path: Path) -> None:
    """Neither an empty folder nor a manifest of another kind or size is read as one."""
    with pytest.raises(BundleNotFoundError, match="dfedge sign bundle"):
        read_signed(tmp_path)
    (tmp_path / SIGNATURE_NAME).write_text("AAAA")
    for text in (b"[]", b'{"schema": "dfedge.web-bundle/2"}', b" " * 70_000):
        (tmp_path / MANIFEST_NAME).write_bytes(text)
        with pytest.raises(BundleFormatError, match="sign"):
            read_signed(tmp_path)


def _copy(folder: Path, change: Any) -> Path:
    """The default bundle with another card."""
    bundle = load_bundle(resolve_detector(DEFAULT_MODEL)[0].path)
    card = msgspec.json.decode(bundle.card_json)
    change(card)
    copy = folder / "copy"
    copy.mkdir()
    (copy / "card.json").write_bytes(msgspec.json.encode(card))
    for name, content in bundle.contents.items():
        (copy / name).write_bytes(content)
    return copy
