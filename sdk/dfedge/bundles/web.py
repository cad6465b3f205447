"""A signed bundle for browsers: what is written by ``dfedge sign``, served, and checked there.

A folder of the bundle's card and graphs, :data:`MANIFEST_NAME`, which names each of them with its
size and sha256, and :data:`SIGNATURE_NAME`: the Ed25519 signature (base64) over the exact bytes of
that manifest. Whoever has the public key need trust neither the server nor the way to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta

from dfedge.bundles.card import Name, PlainFileName, Sha256
from dfedge.errors import BundleFormatError, BundleNotFoundError
from dfedge.types import Image

WEB_SCHEMA: Final = "dfedge.web-bundle/1"
MANIFEST_NAME: Final = "web-bundle.json"
SIGNATURE_NAME: Final = "web-bundle.sig"

MAX_MANIFEST_BYTES: Final = 1 << 16
MAX_WEB_BYTES: Final = 32 << 20
"""Of all files together: what a browser keeps and loads at each start."""

TEST_SIDE: Final = 200
"""Pixels of the self-test's picture; no model's input, so that resizing is tested as well."""


class WebFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file of the bundle, the card among them."""

    name: PlainFileName
    sha256: Sha256
    size_bytes: Annotated[int, Meta(gt=0, le=MAX_WEB_BYTES)]


class SelfTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the model says of :func:`trial_picture`."""

    logit: float
    """Log-odds of *fake*, before calibration."""


class WebManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of a bundle that is signed."""

    schema: str = WEB_SCHEMA
    name: Name
    version: Annotated[str, Meta(pattern=r"^\d+\.\d+\.\d+$")]
    """Of the card; browsers take no bundle whose version is not above that of the one they run."""
    files: Annotated[tuple[WebFile, ...], Meta(min_length=1, max_length=8)]
    self_test: SelfTest


class SignedManifest(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest and its signature, as a server hands them out: the two always belong together."""

    manifest: str
    """The exact text that is signed."""
    signature: str
    """Ed25519, base64."""


def trial_picture() -> Image:
    """The picture of the self-test, by a formula in whole numbers: the same bytes everywhere.

    (200, 200, 3); the value of channel c at x, y is (3x + 5y + 40c + floor(xy / 32)) mod 256.
    """
    y, x, c = np.ogrid[:TEST_SIDE, :TEST_SIDE, :3]
    return np.asarray((3 * x + 5 * y + 40 * c + (x * y >> 5)) % 256, np.uint8)


def read_manifest(text: bytes, *, label: Path | str = MANIFEST_NAME) -> WebManifest:
    """Read a manifest.

    Raises:
        BundleFormatError: it is none.
    """
    try:
        manifest = msgspec.json.decode(text, type=WebManifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BundleFormatError(f"{label}: {error}; sign the bundle again") from error
    if manifest.schema != WEB_SCHEMA:
        raise BundleFormatError(f"{label}: is no {WEB_SCHEMA}; sign the bundle again")
    return manifest


def read_signed(folder: Path) -> tuple[WebManifest, SignedManifest]:
    """The manifest in a folder, as read and as signed; the signature itself is not checked.

    Raises:
        BundleNotFoundError: there is none.
        BundleFormatError: it is none.
    """
    path = folder / MANIFEST_NAME
    try:
        with path.open("rb") as file:
            text = file.read(MAX_MANIFEST_BYTES + 1)
        signature = (folder / SIGNATURE_NAME).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BundleNotFoundError(
            f"{folder}: holds no signed bundle ({error}); `dfedge sign bundle` makes one"
        ) from error
    if len(text) > MAX_MANIFEST_BYTES:
        raise BundleFormatError(f"{path}: is over {MAX_MANIFEST_BYTES} bytes; sign it again")
    manifest = read_manifest(text, label=path)
    return manifest, SignedManifest(manifest=text.decode(), signature=signature)
