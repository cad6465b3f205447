"""Where bundles live and how a name becomes one.

Two places are looked in: the bundles that ship with dfedge, and the user's own cache, laid out as
``NAME/VERSION/card.json``. Of several versions the highest is used; at equal version the one that
ships.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from dfedge.bundles.archive import CARD_NAME, MAX_CARD_BYTES, open_members
from dfedge.bundles.bundle import Bundle, load_bundle, read_card
from dfedge.bundles.card import DetectorCard, FaceDetectorCard
from dfedge.errors import BundleError, BundleFormatError, BundleNotFoundError

DEFAULT_MODEL = "dfedge-efficientnet-b0-int8"
"""The detector used when none is named: the small form of ``dfedge-efficientnet-b0``."""

FACE_MODEL = "blazeface-full-range"
"""The face detector that all detectors of this project were trained with."""

HOME_VARIABLE = "DFEDGE_HOME"

Origin: TypeAlias = Literal["builtin", "user"]

INSTALL_ATTEMPTS = 20
"""Tries to put a bundle in its place while others do the same."""

_IN_THE_WAY = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT})
"""How a rename fails when another process was quicker."""

_KINDS = {DetectorCard: "deepfake_detector", FaceDetectorCard: "face_detector"}
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class BundleListing:
    """One line of the list of bundles.

    Attributes:
        name: from the card; the folder's name when the card cannot be read.
        version: None when the card cannot be read; so is ``kind``.
        summary: the card's sentence; empty when the card cannot be read.
        size_bytes: of all files the card lists; 0 when the card cannot be read.
        problem: why the bundle cannot be used; None when it can.
    """

    name: str
    version: str | None
    kind: str | None
    summary: str
    path: Path
    origin: Origin
    size_bytes: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder that should be a bundle; ``version`` is None where nothing tells it."""

    path: Path
    origin: Origin
    name: str
    version: str | None


def builtin_folder() -> Path:
    """The folder of the bundles that ship: inside an installed package, or of a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_bundles"
    checkout = package.parent.parent / "edge_models" / "bundles"
    return checkout if not installed.is_dir() and checkout.is_dir() else installed


def cache_folder() -> Path:
    """``$DFEDGE_HOME/bundles``, or ``bundles`` in the user's cache folder; it need not exist."""
    home = os.environ.get(HOME_VARIABLE)
    if home:
        return Path(home).expanduser() / "bundles"
    import platformdirs

    return platformdirs.user_cache_path("dfedge", appauthor=False) / "bundles"


def list_bundles() -> list[BundleListing]:
    """All bundles here, each checked to the last byte; a broken one says why it is."""
    listings = [_listing(place) for place in _places()]
    return sorted(listings, key=lambda item: (item.name, _version_key(item.version)))


def detector_names() -> tuple[str, ...]:
    """Names of the deepfake detectors here, by their cards; broken cards are left out."""
    names = set()
    for place in _places():
        try:
            card = read_card(_read_card_json(place.path))
        except BundleError:
            continue
        if isinstance(card, DetectorCard):
            names.add(card.name)
    return tuple(sorted(names))


def resolve(model: str | Path, *, verify: bool = True) -> Bundle:
    """Load a bundle by name, by ``name@version``, or by the path of a folder or ``.zip``.

    An installed name wins over a folder of the same name in the working directory; write
    ``./name`` for the folder.

    Args:
        verify: as :func:`dfedge.bundles.bundle.load_bundle`; when false the card is enough.

    Raises:
        BundleNotFoundError: nothing of that name and nothing at that path.
        BundleError: it is broken; as :func:`dfedge.bundles.bundle.load_bundle`.
    """
    name, _, version = str(model).partition("@")
    if not isinstance(model, Path) and _NAME.fullmatch(name):
        place = _find(name, version or None)
        if place is not None:
            return _load(place, verify=verify)
    path = Path(os.path.expanduser(model))  # noqa: PTH111 - Path's own raises on an unknown ~user
    if str(model) and os.path.lexists(path):
        return load_bundle(path, verify=verify)
    raise BundleNotFoundError(f"{model}: {_not_found_advice(name)}")


def resolve_detector(model: str | Path, *, verify: bool = True) -> tuple[Bundle, DetectorCard]:
    """As :func:`resolve`, for a deepfake detector.

    Raises:
        BundleFormatError: the bundle is of another kind.
    """
    bundle = resolve(model, verify=verify)
    if isinstance(bundle.card, DetectorCard):
        return bundle, bundle.card
    raise _wrong_kind(bundle, DetectorCard)


def resolve_face_detector(
    model: str | Path, *, verify: bool = True
) -> tuple[Bundle, FaceDetectorCard]:
    """As :func:`resolve`, for a face detector.

    Raises:
        BundleFormatError: the bundle is of another kind.
    """
    bundle = resolve(model, verify=verify)
    if isinstance(bundle.card, FaceDetectorCard):
        return bundle, bundle.card
    raise _wrong_kind(bundle, FaceDetectorCard)


def install(bundle_path: Path | str) -> Bundle:
    """Copy a bundle, once verified, into the user's cache.

    It appears there whole or not at all. The same bundle a second time is no error; a damaged copy
    of it is put right.

    Raises:
        BundleError: the bundle is broken, another one has its name and version already, or the
            cache cannot be written.
    """
    bundle = load_bundle(bundle_path)
    card = bundle.card
    for place in _places():
        if place.origin == "builtin" and place.name == card.name and place.version == card.version:
            shipped = load_bundle(place.path)
            _refuse_other_content(bundle, shipped.card_json, place.path)
            return shipped
    target = cache_folder() / card.name / card.version
    for attempt in range(1, INSTALL_ATTEMPTS + 1):
        if _is_installed(bundle, target):
            break
        try:
            _write_folder(bundle, target)
        except OSError as error:
            if error.errno in _IN_THE_WAY and attempt < INSTALL_ATTEMPTS:
                continue  # another process is installing it too
            raise BundleError(
                f"{target}: cannot be written ({error.strerror or error}); free the disk or set "
                f"{HOME_VARIABLE} to a folder that can be written"
            ) from error
    return load_bundle(target)


def _is_installed(bundle: Bundle, target: Path) -> bool:
    """Whether the target holds this very bundle, undamaged; another one there is refused."""
    if not target.is_dir():
        return False
    try:
        present = _read_card_json(target)
    except BundleError:
        return False
    _refuse_other_content(bundle, present, target)
    try:
        load_bundle(target)
    except BundleError:
        return False
    return True


def _refuse_other_content(bundle: Bundle, present: bytes, place: Path) -> None:
    if present != bundle.card_json:
        raise BundleError(
            f"{bundle.path}: another bundle of name {bundle.card.name!r} and version "
            f"{bundle.card.version} is at {place}; remove that folder first, or give this bundle a "
            "version of its own"
        )


def _write_folder(bundle: Bundle, target: Path) -> None:
    """Write the files beside the target, then rename: a reader sees all of it or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".installing-", dir=target.parent))
    try:
        fresh = scratch / "fresh"
        fresh.mkdir()
        for name, content in {**bundle.contents, CARD_NAME: bundle.card_json}.items():
            with (fresh / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        if target.is_dir():
            if _is_installed(bundle, target):  # by another process, meanwhile
                return
            target.rename(scratch / "damaged")
        fresh.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _places() -> Iterator[_Place]:
    """Every folder that should be a bundle, those that ship first."""
    for folder in _subfolders(builtin_folder()):
        try:
            card = read_card(_read_card_json(folder))
        except BundleError:
            yield _Place(folder, "builtin", folder.name, None)
        else:
            yield _Place(folder, "builtin", card.name, card.version)
    for named in _subfolders(cache_folder()):
        for versioned in _subfolders(named):
            yield _Place(versioned, "user", named.name, versioned.name)


def _find(name: str, version: str | None) -> _Place | None:
    """The place of a name: of the wanted version, else of the highest."""
    places = [place for place in _places() if place.name == name]
    if version is not None:
        return next((place for place in places if place.version == version), None)
    return max(places, key=lambda place: _version_key(place.version), default=None)


def _load(place: _Place, *, verify: bool = True) -> Bundle:
    bundle = load_bundle(place.path, verify=verify)
    card = bundle.card
    if place.origin == "user" and (place.name, place.version) != (card.name, card.version):
        raise BundleFormatError(
            f"{place.path}: is the folder of {place.name} {place.version}, its card is that of "
            f"{card.name} {card.version}; remove it and install the bundle again"
        )
    return bundle


def _version_key(version: str | None) -> tuple[int, ...]:
    """For sorting; a version that is none comes before all."""
    parts = (version or "").split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else (-1,)


def _listing(place: _Place) -> BundleListing:
    name, version, kind, summary, size, problem = place.name, place.version, None, "", 0, None
    try:
        card = read_card(_read_card_json(place.path), label=place.path / CARD_NAME)
        name, version, kind, summary = card.name, card.version, _KINDS[type(card)], card.summary
        size = sum(entry.size_bytes for entry in card.files)
        _load(place)
    except BundleError as error:
        problem = str(error)
    return BundleListing(name, version, kind, summary, place.path, place.origin, size, problem)


def _read_card_json(folder: Path) -> bytes:
    with open_members(folder) as members:
        return members.read(CARD_NAME, limit_bytes=MAX_CARD_BYTES)


def _subfolders(folder: Path) -> list[Path]:
    try:
        return sorted(
            path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
        )
    except OSError:  # not there, or not ours to read: then it has none for us
        return []


def _not_found_advice(name: str) -> str:
    names = sorted({place.name for place in _places()})
    close = difflib.get_close_matches(name, names, n=1)
    known = f"known are {', '.join(names)}" if names else "none is installed"
    hint = f"did you mean {close[0]}? " if close else ""
    return (
        f"no bundle of that name and nothing at that path; {hint}{known}; or give the path of a "
        "bundle folder or .zip"
    )


def _wrong_kind(bundle: Bundle, wanted: type[DetectorCard] | type[FaceDetectorCard]) -> BundleError:
    return BundleFormatError(
        f"{bundle.path}: is a bundle of kind {_KINDS[type(bundle.card)]}, here a {_KINDS[wanted]} "
        "is needed; `dfedge models list` shows the kinds"
    )
