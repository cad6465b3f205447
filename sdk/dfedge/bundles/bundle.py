"""Load and verify one bundle: a folder or a ``.zip`` with ``card.json`` and the files it lists.

What :meth:`Bundle.read` gives are the very bytes whose size and sha256 were checked: each file is
opened once, and nothing is read again between the check and its use.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

import msgspec

from dfedge.bundles.archive import (
    CARD_NAME,
    MAX_CARD_BYTES,
    MAX_FILE_BYTES,
    Members,
    open_members,
)
from dfedge.bundles.card import CARD_SCHEMA, Card, DetectorCard, FaceDetectorCard, FileEntry
from dfedge.bundles.consistency import card_problems
from dfedge.bundles.onnx_header import read_onnx_header
from dfedge.bundles.opset import OLDEST_RUNTIME_OPSET, newest_runtime_opset
from dfedge.bundles.ort_header import is_ort_format, read_ort_header
from dfedge.errors import BundleFormatError, BundleIntegrityError

Role: TypeAlias = Literal["model", "preprocess", "source"]


@dataclass(frozen=True)
class Bundle:
    """A bundle whose card has been read and found consistent.

    Attributes:
        path: the folder or the zip.
        card_json: the bytes the card was read from. They hold the sha256 of every other file, so
            two bundles with equal cards are equal.
        contents: verified bytes by file name; empty when loaded with ``verify=False``.
    """

    path: Path
    card: Card
    card_json: bytes = field(repr=False)
    contents: MappingProxyType[str, bytes] = field(repr=False, compare=False, hash=False)

    @property
    def sha256(self) -> str:
        """Of the model file, hexadecimal."""
        return self.entry("model").sha256

    def entry(self, role: Role) -> FileEntry:
        """The card's line on the file of a role.

        Raises:
            BundleFormatError: the card lists no file of that role.
        """
        for entry in self.card.files:
            if entry.role == role:
                return entry
        raise BundleFormatError(
            f"{self.path / CARD_NAME}: lists no file of role {role!r}; use a bundle that has one"
        )

    def file_path(self, role: Role) -> Path:
        """Where the file of a role lies, for messages (inside the zip when it is one)."""
        return self.path / self.entry(role).name

    def read(self, role: Role) -> bytes:
        """The verified bytes of the file of a role.

        Raises:
            BundleFormatError: the card lists no file of that role.
            BundleIntegrityError: loaded with ``verify=False``, and the file does not fit its card.
        """
        entry = self.entry(role)
        if entry.name in self.contents:
            return self.contents[entry.name]
        with open_members(self.path) as members:
            content = _read_entry(self.path, members, entry)
        _check_graph(self.path, self.card, entry, content)
        return content


def load_bundle(path: Path | str, *, verify: bool = True) -> Bundle:
    """Read a bundle and check all of it.

    Args:
        path: a bundle folder or ``.zip``.
        verify: check the files now and keep their bytes. When false only the card is checked now,
            and each file when it is read.

    Raises:
        BundleNotFoundError: there is nothing at ``path``.
        BundleFormatError: the archive, the card or a model is not what the contract says.
        BundleIntegrityError: a file does not have the size or sha256 its card gives.
    """
    path = Path(path)
    contents: dict[str, bytes] = {}
    with open_members(path) as members:
        card_json = members.read(CARD_NAME, limit_bytes=MAX_CARD_BYTES)
        card = read_card(card_json, label=path / CARD_NAME)
        _check_names(path, members, card)
        if verify:
            for entry in card.files:
                contents[entry.name] = _read_entry(path, members, entry)
                _check_graph(path, card, entry, contents[entry.name])
    return Bundle(path, card, card_json, MappingProxyType(contents))


def read_card(text: bytes, *, label: Path | str = CARD_NAME) -> Card:
    """Read ``card.json`` and check that its fields fit each other.

    Args:
        label: what messages call the card.

    Raises:
        BundleFormatError: the text is not a card of this version; the message says where.
    """
    try:
        head = msgspec.json.decode(text, type=_Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BundleFormatError(
            f"{label}: is not the JSON of a card ({error}); get the bundle again"
        ) from error
    if not head.schema.startswith("dfedge.card/"):
        raise BundleFormatError(
            f"{label}: does not say it is a dfedge card (schema is {head.schema[:80]!r}, "
            f"not {CARD_SCHEMA!r}); give a dfedge bundle"
        )
    if head.schema != CARD_SCHEMA:
        raise BundleFormatError(
            f"{label}: has schema {head.schema[:80]!r}, this dfedge reads {CARD_SCHEMA!r}; install "
            "the version of dfedge the bundle was made for"
        )
    try:
        card: Card = msgspec.json.decode(text, type=DetectorCard | FaceDetectorCard)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BundleFormatError(
            f"{label}: does not fit the card schema: {error}; get the bundle again, or correct it "
            "by docs/bundles.md"
        ) from error
    problems = card_problems(card)
    if problems:
        raise BundleFormatError(f"{label}: contradicts itself: {'; '.join(problems)}")
    return card


class _Head(msgspec.Struct):
    """The one field that tells what the rest is."""

    schema: str = ""


def _check_names(path: Path, members: Members, card: Card) -> None:
    """An archive holds the card and its files, nothing that nobody has checked."""
    names = members.names()
    if names is None:
        return
    strangers = sorted(set(names) - {entry.name for entry in card.files} - {CARD_NAME})
    if strangers:
        raise BundleFormatError(
            f"{path}: holds {', '.join(map(repr, strangers))}, which its card does not list; "
            "leave out what is not part of the bundle"
        )


def _read_entry(path: Path, members: Members, entry: FileEntry) -> bytes:
    content = members.read(entry.name, size_bytes=entry.size_bytes, limit_bytes=MAX_FILE_BYTES)
    digest = hashlib.sha256(content).hexdigest()
    if digest != entry.sha256:
        raise BundleIntegrityError(
            f"{path / entry.name}: has sha256 {digest[:16]}..., its card says "
            f"{entry.sha256[:16]}...; it was changed or damaged, get the bundle again"
        )
    return content


def _check_graph(path: Path, card: Card, entry: FileEntry, content: bytes) -> None:
    if entry.role not in ("model", "preprocess"):
        return
    label = path / entry.name
    opset = _ort_opset(label, content) if is_ort_format(content) else _onnx_opset(label, content)
    if opset is None:
        raise BundleFormatError(f"{label}: declares no ONNX opset; export the bundle again")
    if entry.role == "model" and opset != card.opset:
        raise BundleFormatError(
            f"{label}: is of ONNX opset {opset}, its card says {card.opset}; "
            "export the bundle again"
        )
    if opset > OLDEST_RUNTIME_OPSET and opset > newest_runtime_opset():
        raise BundleFormatError(
            f"{label}: needs ONNX opset {opset}, the installed onnxruntime knows them up to "
            f"{newest_runtime_opset()}; pip install -U onnxruntime"
        )


def _onnx_opset(label: Path, content: bytes) -> int | None:
    try:
        header = read_onnx_header(content)
    except ValueError as error:
        raise BundleFormatError(
            f"{label}: is not an ONNX model: {error}; export the bundle again"
        ) from error
    if header.external_data:
        raise BundleFormatError(
            f"{label}: keeps weights in a file outside the bundle; export it as one file"
        )
    return header.opset


def _ort_opset(label: Path, content: bytes) -> int | None:
    try:
        return read_ort_header(content).opset
    except ValueError as error:
        raise BundleFormatError(
            f"{label}: is a damaged model of ONNX Runtime's format: {error}; "
            "export the bundle again"
        ) from error
