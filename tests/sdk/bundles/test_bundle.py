"""Loading a bundle that is right: a folder and a zip give the same verified bytes."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dfedge.bundles.bundle import load_bundle
from dfedge.bundles.card import DetectorCard, FaceDetectorCard
from dfedge.errors import BundleFormatError, BundleIntegrityError


def test_a_folder_gives_its_card_and_verified_bytes(bundle_maker: Any) -> None:
    """The card is typed, and read() gives what the hash was taken of."""
    folder = bundle_maker.detector()
    bundle = load_bundle(folder)
    assert isinstance(bundle.card, DetectorCard)
    assert (folder / "model.onnx").read_bytes() == bundle.read("model")
    assert hashlib.sha256(bundle.read("model")).hexdigest() == bundle.sha256


def test_a_face_detector_is_told_by_its_kind(bundle_maker: Any) -> None:
    """The kind in the card chooses the type."""
    assert isinstance(load_bundle(bundle_maker.face_detector()).card, FaceDetectorCard)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_the_same_bundle(bundle_maker: Any, method: int) -> None:
    """Stored or deflated, card and files equal those of the folder."""
    folder = bundle_maker.detector()
    loose, zipped = load_bundle(folder), load_bundle(bundle_maker.zipped(folder, method=method))
    assert loose.card == zipped.card
    assert loose.read("preprocess") == zipped.read("preprocess")
    assert loose.read("model") == zipped.read("model")


def test_a_path_may_be_text(bundle_maker: Any) -> None:
    """str and Path name the same bundle."""
    folder = bundle_maker.detector()
    assert load_bundle(folder) == load_bundle(str(folder))


def test_a_role_the_card_lacks_is_an_error(bundle_maker: Any) -> None:
    """read() names the card and the role it has no file of."""
    bundle = load_bundle(bundle_maker.detector())
    with pytest.raises(BundleFormatError, match=r"card\.json: lists no file of role 'source'"):
        bundle.read("source")


def test_bytes_changed_after_the_check_are_never_used(bundle_maker: Any) -> None:
    """What was verified is what read() gives, whatever becomes of the file meanwhile."""
    folder = bundle_maker.detector()
    verified = (folder / "model.onnx").read_bytes()
    bundle = load_bundle(folder)
    (folder / "model.onnx").write_bytes(b"something else")
    assert verified == bundle.read("model")


def test_without_verify_the_check_comes_with_the_reading(bundle_maker: Any) -> None:
    """verify=False puts the check off, it never leaves it out."""
    folder = bundle_maker.detector()
    bundle = load_bundle(folder, verify=False)
    assert (folder / "model.onnx").read_bytes() == bundle.read("model")
    content = bytearray((folder / "model.onnx").read_bytes())
    content[-1] ^= 1
    (folder / "model.onnx").write_bytes(content)
    with pytest.raises(BundleIntegrityError, match=r"model\.onnx: has sha256"):
        bundle.read("model")


def test_other_files_in_a_folder_do_no_harm(bundle_maker: Any) -> None:
    """A note beside the bundle's files is not read."""
    folder = bundle_maker.detector()
    (folder / "NOTES.txt").write_text("mine", encoding="utf-8")
    assert "NOTES.txt" not in load_bundle(folder).contents


def test_files_of_a_folder_may_be_links(bundle_maker: Any, tmp_path: Path) -> None:
    """A cache of linked files works: the content is checked, not where it lies."""
    folder = bundle_maker.detector()
    (folder / "model.onnx").rename(tmp_path / "blob")
    (folder / "model.onnx").symlink_to(tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == load_bundle(folder).read("model")


@pytest.mark.parametrize("opset", [13, 17, 20, 21])
def test_every_opset_the_card_names_is_taken(bundle_maker: Any, opset: int) -> None:
    """The card's opset and the model's agree, and the runtime knows it."""
    files = {
        "model.onnx": bundle_maker.detector_model(opset),
        "preprocess.onnx": bundle_maker.preprocess(),
    }
    card = bundle_maker.detector_card(opset=opset)
    folder = bundle_maker.write(bundle_maker.detector(), card, files)
    assert load_bundle(folder).card.opset == opset


def test_repr_shows_no_bytes(bundle_maker: Any) -> None:
    """A bundle prints short."""
    assert "contents" not in repr(load_bundle(bundle_maker.detector()))
