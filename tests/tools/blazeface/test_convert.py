"""The converter as a command, and the bundles that it made."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

pytest.importorskip("onnx", reason="needs the extra 'tools'")
pytest.importorskip("ai_edge_litert", reason="needs the extra 'tools'")

import onnx

from dfedge.bundles import store
from dfedge.bundles.bundle import load_bundle
from dfedge.errors import FidelityError, UsageError
from dfedge.types import Image
from dfedge_tools import convert_blazeface
from dfedge_tools.blazeface.bundles import FULL_RANGE, SHORT_RANGE, VARIANTS, BlazeFaceVariant
from dfedge_tools.blazeface.check import Difference, compare, random_images
from dfedge_tools.blazeface.litert import schema
from dfedge_tools.blazeface.metadata import METADATA_NAME, with_normalisation

NAMES = [variant.name for variant in VARIANTS]


@pytest.fixture
def package(tmp_path: Path) -> tuple[Path, BlazeFaceVariant]:
    """An npm package with the shipped short-range ``.tflite``, and the variant that accepts it."""
    bundle = store.resolve(SHORT_RANGE.name)
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / SHORT_RANGE.file_name).write_bytes(bundle.read("source"))
    return folder, dataclasses.replace(SHORT_RANGE, sha256=bundle.entry("source").sha256)


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_graph_is_that_of_the_tflite(name: str, portrait: Image) -> None:
    """Raw outputs agree to 1e-4 on noise, on squares and on a portrait."""
    bundle = store.resolve(name)
    side = bundle.card.input.width
    photograph = np.asarray(Picture.fromarray(portrait).resize((side, side)), np.uint8)
    images = np.concatenate([random_images(6, side, seed=3), photograph[None]])
    result = compare(bundle.read("source"), bundle.read("model"), images)
    assert result.images == 7
    assert result.regressors <= 1e-4
    assert result.logits <= 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_card_names_licence_and_origin(name: str) -> None:
    """A user can tell what the weights are, where they are from and what they are not for."""
    card = store.resolve(name).card
    assert card.licence == "Apache-2.0"
    assert card.provenance.source_url is not None
    assert "mediapipe/face_detection@0.4" in card.provenance.source_url
    assert card.provenance.source_sha256 in {variant.sha256 for variant in VARIANTS}
    assert any("identify people" in limit for limit in card.limits)


def test_converting_gives_the_bundle_that_ships(
    package: tuple[Path, BlazeFaceVariant], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same file in gives the same graph out, and the check's figures are printed."""
    folder, variant = package
    convert_blazeface.convert(variant, package=folder, out=tmp_path / "out")
    made, shipped = load_bundle(tmp_path / "out" / SHORT_RANGE.name), store.resolve(variant.name)
    assert onnx.load_from_string(made.read("model")) == onnx.load_from_string(shipped.read("model"))
    assert made.read("source") == shipped.read("source")
    assert "8 images (8 random, 0 pictures), largest difference" in capsys.readouterr().out


def test_pictures_join_the_check(
    package: tuple[Path, BlazeFaceVariant],
    tmp_path: Path,
    portrait: Image,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command checks on the pictures of a folder too, of any size."""
    folder, variant = package
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Picture.fromarray(portrait).save(pictures / "portrait.png")
    monkeypatch.setattr(convert_blazeface, "VARIANTS", (variant,))
    arguments = ["--package", str(folder), "--out", str(tmp_path), "--images", str(pictures)]
    assert convert_blazeface.main(arguments) == 0
    assert "9 images (8 random, 1 pictures)" in capsys.readouterr().out


def test_a_graph_that_differs_is_not_written(
    package: tuple[Path, BlazeFaceVariant], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed check leaves no bundle behind."""
    folder, variant = package
    monkeypatch.setattr(
        convert_blazeface, "compare", lambda *_: Difference(images=8, regressors=0.1, logits=0.0)
    )
    with pytest.raises(FidelityError, match="not written"):
        convert_blazeface.convert(variant, package=folder, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_package_is_an_error_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command tells how to get the files, and exits with 1."""
    arguments = ["--package", str(tmp_path), "--out", str(tmp_path / "out")]
    assert convert_blazeface.main(arguments) == 1
    error = capsys.readouterr().err
    assert FULL_RANGE.file_name in error
    assert "npm pack @mediapipe/face_detection@0.4.1657300184" in error


def test_another_version_of_the_file_is_refused(
    package: tuple[Path, BlazeFaceVariant], tmp_path: Path
) -> None:
    """Only the files that were checked are converted."""
    folder, _ = package
    with pytest.raises(UsageError, match="sha256"):
        convert_blazeface.convert(SHORT_RANGE, package=folder, out=tmp_path)


def test_a_folder_without_pictures_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Asking for pictures that are not there is not passed over."""
    arguments = ["--package", str(tmp_path), "--out", str(tmp_path), "--images", str(tmp_path)]
    assert convert_blazeface.main(arguments) == 1
    assert "holds no picture" in capsys.readouterr().err


def test_metadata_is_added_once_and_changes_nothing_else() -> None:
    """Operators and weights stay; a second time nothing is added."""
    shipped = store.resolve(SHORT_RANGE.name).read("source")
    model = schema.ModelT.InitFromPackedBuf(shipped, 0)
    assert [entry.name for entry in model.metadata] == [METADATA_NAME]
    assert with_normalisation(shipped) == shipped
