"""Names become bundles; the cache is written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from dfedge.bundles import store
from dfedge.bundles.bundle import load_bundle
from dfedge.bundles.card import DetectorCard, FaceDetectorCard
from dfedge.errors import (
    BundleError,
    BundleFormatError,
    BundleIntegrityError,
    BundleNotFoundError,
)


@pytest.fixture
def own_builtin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own in the place of the bundles that ship."""
    folder = tmp_path / "builtin"
    folder.mkdir()
    monkeypatch.setattr(store, "builtin_folder", lambda: folder)
    return folder


def flip_last_byte(path: Path) -> None:
    """Damage a file without changing its size."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_the_variable_moves_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """DFEDGE_HOME names the folder above the cache; ~ is the user's home."""
    monkeypatch.setenv("DFEDGE_HOME", str(tmp_path))
    assert tmp_path / "bundles" == store.cache_folder()
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("DFEDGE_HOME", "~/models")
    assert tmp_path / "me" / "models" / "bundles" == store.cache_folder()


def test_without_the_variable_the_cache_is_the_platforms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unset or empty, it is a folder of dfedge in the user's cache folder."""
    monkeypatch.delenv("DFEDGE_HOME", raising=False)
    unset = store.cache_folder()
    assert unset.parts[-2:] == ("dfedge", "bundles")
    monkeypatch.setenv("DFEDGE_HOME", "")
    assert unset == store.cache_folder()


def test_the_face_model_ships() -> None:
    """The built-in folder of this installation has the face detector all detectors need."""
    assert (store.builtin_folder() / store.FACE_MODEL / "card.json").is_file()


def test_a_wheel_has_its_bundles_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package has a folder _bundles, that is the built-in folder."""
    module = tmp_path / "site-packages" / "dfedge" / "bundles" / "store.py"
    module.parent.mkdir(parents=True)
    (module.parent.parent / "_bundles").mkdir()
    monkeypatch.setattr(store, "__file__", str(module))
    assert module.parent.parent / "_bundles" == store.builtin_folder()


def test_install_copies_a_bundle_that_a_name_then_finds(
    bundle_maker: Any, own_home: Path, own_builtin: Path
) -> None:
    """Folder or zip: afterwards the name resolves to an equal bundle in the cache."""
    source = bundle_maker.detector()
    installed = store.install(bundle_maker.zipped(source))
    assert own_home / "bundles" / "tiny-detector" / "0.1.0" == installed.path
    found = store.resolve("tiny-detector")
    assert installed.path == found.path
    assert load_bundle(source).read("model") == found.read("model")
    assert sorted(file.name for file in installed.path.iterdir()) == [
        "card.json",
        "model.onnx",
        "preprocess.onnx",
    ]


def test_installing_twice_is_no_error(bundle_maker: Any, own_home: Path, own_builtin: Path) -> None:
    """The same bundle again changes nothing."""
    source = bundle_maker.detector()
    assert store.install(source) == store.install(source)


def test_another_bundle_of_the_same_version_is_refused(
    bundle_maker: Any, own_home: Path, own_builtin: Path
) -> None:
    """Content never changes silently under a name and version."""
    first = store.install(bundle_maker.detector())
    other = bundle_maker.detector(summary="Another.")
    with pytest.raises(BundleError, match=r"another bundle of name 'tiny-detector' and version"):
        store.install(other)
    assert first.card == store.resolve("tiny-detector").card


def test_a_damaged_copy_is_put_right(bundle_maker: Any, own_home: Path, own_builtin: Path) -> None:
    """Installing again mends a cache whose file was damaged or whose card is gone."""
    source = bundle_maker.detector()
    installed = store.install(source)
    flip_last_byte(installed.path / "model.onnx")
    with pytest.raises(BundleIntegrityError):
        store.resolve("tiny-detector")
    store.install(source)
    assert installed == store.resolve("tiny-detector")
    (installed.path / "card.json").unlink()
    store.install(source)
    assert installed == store.resolve("tiny-detector")


def test_a_broken_bundle_is_not_installed(
    bundle_maker: Any, own_home: Path, own_builtin: Path
) -> None:
    """Nothing appears in the cache."""
    source = bundle_maker.detector()
    flip_last_byte(source / "model.onnx")
    with pytest.raises(BundleIntegrityError):
        store.install(source)
    assert not own_home.exists()


def test_a_failed_write_leaves_nothing(
    bundle_maker: Any, own_home: Path, own_builtin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is a BundleError that names the folder; no half bundle is found later."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BundleError, match=r"0\.1\.0: cannot be written \(No space left"):
        store.install(bundle_maker.detector())
    assert not list((own_home / "bundles" / "tiny-detector").iterdir())


def test_many_may_install_at_once(bundle_maker: Any, own_home: Path, own_builtin: Path) -> None:
    """Sixteen installs of one bundle at a time all end with the same whole bundle."""
    source = bundle_maker.detector()
    with ThreadPoolExecutor(16) as pool:
        installed = list(pool.map(store.install, [source] * 16))
    assert [installed[0]] * 16 == installed
    assert [installed[0].path] == list(installed[0].path.parent.iterdir())


def test_the_highest_version_is_used(bundle_maker: Any, own_home: Path, own_builtin: Path) -> None:
    """By number, not by letter; name@version asks for another."""
    for version in ("0.2.0", "0.10.0", "0.9.1"):
        store.install(bundle_maker.detector(version=version))
    assert store.resolve("tiny-detector").card.version == "0.10.0"
    assert store.resolve("tiny-detector@0.9.1").card.version == "0.9.1"
    with pytest.raises(BundleNotFoundError, match=r"tiny-detector@3\.0\.0: no bundle"):
        store.resolve("tiny-detector@3.0.0")


def test_what_ships_wins_at_equal_version(
    bundle_maker: Any, own_home: Path, own_builtin: Path
) -> None:
    """A cache entry of the same version does not replace what ships, a higher one does."""
    bundle_maker.detector(folder=own_builtin / "tiny-detector")
    shutil.copytree(
        bundle_maker.detector(summary="Mine."), own_home / "bundles/tiny-detector/0.1.0"
    )
    assert own_builtin / "tiny-detector" == store.resolve("tiny-detector").path
    store.install(bundle_maker.detector(version="0.1.1"))
    assert store.resolve("tiny-detector").card.version == "0.1.1"


def test_installing_what_ships_copies_nothing(
    bundle_maker: Any, own_home: Path, own_builtin: Path
) -> None:
    """The shipped bundle is given back; another one of its version is refused."""
    shipped = bundle_maker.detector(folder=own_builtin / "tiny-detector")
    assert shipped == store.install(bundle_maker.detector()).path
    assert not own_home.exists()
    with pytest.raises(BundleError, match="another bundle"):
        store.install(bundle_maker.detector(summary="Another."))


def test_a_path_resolves(
    bundle_maker: Any, own_home: Path, own_builtin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder, a zip, a relative path and a path under ~ are bundles too."""
    folder = bundle_maker.detector()
    assert folder == store.resolve(folder).path
    assert folder == store.resolve(str(folder)).path
    assert store.resolve(bundle_maker.zipped(folder)).card == store.resolve(folder).card
    monkeypatch.chdir(folder.parent)
    assert Path(folder.name) == store.resolve(folder.name).path
    monkeypatch.setenv("HOME", str(folder.parent))
    assert folder == store.resolve(f"~/{folder.name}").path


def test_a_name_wins_over_a_folder_nearby(
    bundle_maker: Any, own_home: Path, own_builtin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder in the working directory cannot pose as an installed bundle, ./name is it."""
    installed = store.install(bundle_maker.detector())
    nearby = bundle_maker.detector(folder=own_home / "tiny-detector", summary="Not that one.")
    monkeypatch.chdir(nearby.parent)
    assert installed.path == store.resolve("tiny-detector").path
    assert store.resolve("./tiny-detector").card.summary == "Not that one."
    assert store.resolve(Path("tiny-detector")).card.summary == "Not that one."


@pytest.mark.parametrize(
    "model", ["", "nothing", "a/b", "~nobody/x", "x\0y", "n" * 5000, "@1", "."]
)
def test_what_is_not_there_is_not_found(
    model: str, own_home: Path, own_builtin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked for, the error is a BundleError with a way out."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match=r"give the|give a"):
        store.resolve(model)


def test_a_slip_of_the_pen_is_helped(bundle_maker: Any, own_home: Path, own_builtin: Path) -> None:
    """The nearest name is offered, and all names are listed."""
    store.install(bundle_maker.detector())
    with pytest.raises(BundleNotFoundError, match=r"did you mean tiny-detector\?"):
        store.resolve("tiny-detectr")


def test_kinds_are_not_mixed(bundle_maker: Any) -> None:
    """Each resolver gives its own card type and names the kind of any other."""
    detector, faces = bundle_maker.detector(), bundle_maker.face_detector()
    assert isinstance(store.resolve_detector(detector)[1], DetectorCard)
    assert isinstance(store.resolve_face_detector(faces)[1], FaceDetectorCard)
    with pytest.raises(BundleFormatError, match=r"kind face_detector, here a deepfake_detector"):
        store.resolve_detector(faces)
    with pytest.raises(BundleFormatError, match=r"kind deepfake_detector, here a face_detector"):
        store.resolve_face_detector(detector)


def test_the_list_shows_broken_bundles_too(
    bundle_maker: Any, own_home: Path, own_builtin: Path
) -> None:
    """One line each, in order of name; the broken ones say why."""
    bundle_maker.face_detector(folder=own_builtin / "tiny-faces")
    (own_builtin / "empty").mkdir()
    whole = store.install(bundle_maker.detector())
    damaged = store.install(bundle_maker.detector(version="0.2.0"))
    flip_last_byte(damaged.path / "model.onnx")
    lines = store.list_bundles()
    expected = [
        ("empty", None, None, "builtin"),
        ("tiny-detector", "0.1.0", "deepfake_detector", "user"),
        ("tiny-detector", "0.2.0", "deepfake_detector", "user"),
        ("tiny-faces", "0.1.0", "face_detector", "builtin"),
    ]
    assert expected == [(line.name, line.version, line.kind, line.origin) for line in lines]
    problems = [line.problem for line in lines]
    assert problems[1] is None
    assert problems[3] is None
    assert "no card.json" in str(problems[0])
    assert "model.onnx: has sha256" in str(problems[2])
    assert lines[1].size_bytes == sum(entry.size_bytes for entry in whole.card.files)


def test_a_bundle_in_the_wrong_folder_is_broken(
    bundle_maker: Any, own_home: Path, own_builtin: Path
) -> None:
    """A cache folder renamed by hand neither resolves nor lists as whole."""
    installed = store.install(bundle_maker.detector())
    installed.path.rename(installed.path.with_name("9.9.9"))
    with pytest.raises(BundleFormatError, match=r"the folder of tiny-detector 9\.9\.9"):
        store.resolve("tiny-detector")
    (line,) = store.list_bundles()
    assert "the folder of tiny-detector 9.9.9" in str(line.problem)


def test_no_cache_is_an_empty_list(own_home: Path, own_builtin: Path) -> None:
    """Neither folder need exist."""
    own_builtin.rmdir()
    assert not store.list_bundles()


def test_installed_cards_are_byte_for_byte(
    bundle_maker: Any, own_home: Path, own_builtin: Path
) -> None:
    """The card is copied as it is, not written anew."""
    folder = bundle_maker.detector()
    text = json.dumps(json.loads((folder / "card.json").read_text()), indent=7)
    (folder / "card.json").write_text(text, encoding="utf-8")
    assert text == (store.install(folder).path / "card.json").read_text(encoding="utf-8")
