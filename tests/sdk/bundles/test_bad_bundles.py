"""Every way a bundle can be wrong that we thought of: a typed error that names the file."""

from __future__ import annotations

import json
import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfedge.bundles.bundle import load_bundle
from dfedge.cli import main
from dfedge.errors import (
    BundleError,
    BundleFormatError,
    BundleIntegrityError,
    BundleNotFoundError,
)


@dataclass(frozen=True)
class Case:
    """One bad bundle.

    Attributes:
        make: gives the path of the bad bundle.
        error: the type it must raise.
        names: what the message must contain: the file, then what is wrong with it.
    """

    name: str
    make: Callable[[Any], Path]
    error: type[BundleError]
    names: tuple[str, ...]


def in_folder(change: Callable[[Path], Any]) -> Callable[[Any], Path]:
    """A good bundle folder, changed."""

    def make(maker: Any) -> Path:
        folder: Path = maker.detector()
        change(folder)
        return folder

    return make


def in_card(change: Callable[[dict[str, Any]], Any]) -> Callable[[Any], Path]:
    """A good bundle folder whose card is changed."""

    def make(maker: Any) -> Path:
        folder: Path = maker.detector()
        with edited_card(folder) as card:
            change(card)
        return folder

    return make


def in_face_card(change: Callable[[dict[str, Any]], Any]) -> Callable[[Any], Path]:
    """A good face detector folder whose card is changed."""

    def make(maker: Any) -> Path:
        folder: Path = maker.face_detector()
        with edited_card(folder) as card:
            change(card)
        return folder

    return make


def in_zip(change: Callable[[zipfile.ZipFile, Path], Any]) -> Callable[[Any], Path]:
    """A zip of a good bundle to which something is added."""

    def make(maker: Any) -> Path:
        path: Path = maker.zipped(maker.detector())
        with zipfile.ZipFile(path, "a") as archive:
            change(archive, path)
        return path

    return make


def in_zip_bytes(change: Callable[[bytearray], bytes | bytearray]) -> Callable[[Any], Path]:
    """A zip of a good bundle whose bytes are changed."""

    def make(maker: Any) -> Path:
        path: Path = maker.zipped(maker.detector())
        path.write_bytes(change(bytearray(path.read_bytes())))
        return path

    return make


def with_model(model: Callable[[Any], bytes]) -> Callable[[Any], Path]:
    """A bundle, right in sizes and hashes, around another model file."""

    def make(maker: Any) -> Path:
        files = {"model.onnx": model(maker), "preprocess.onnx": maker.preprocess()}
        folder: Path = maker.write(maker.detector(), maker.detector_card(), files)
        return folder

    return make


@contextmanager
def edited_card(folder: Path) -> Iterator[dict[str, Any]]:
    """The card as a dictionary, written back at the end."""
    path = folder / "card.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    yield card
    path.write_text(json.dumps(card), encoding="utf-8")


def flip_last_byte(folder: Path) -> None:
    """One bit of the model is not as it was."""
    content = bytearray((folder / "model.onnx").read_bytes())
    content[-1] ^= 1
    (folder / "model.onnx").write_bytes(content)


def cut_off(folder: Path) -> None:
    """The second half of the model is gone."""
    content = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(content[: len(content) // 2])


def fifo_beside(folder: Path) -> Path:
    """A pipe that nobody writes to, called a zip."""
    path = folder.with_name("pipe.zip")
    os.mkfifo(path)
    return path


def loop_beside(folder: Path) -> Path:
    """A symbolic link that points to itself."""
    path = folder.with_name("loop.zip")
    path.symlink_to(path)
    return path


def replace_by_fifo(folder: Path) -> None:
    """A pipe in the place of the model, on which reading would wait for ever."""
    (folder / "model.onnx").unlink()
    os.mkfifo(folder / "model.onnx")


def replace_by_folder(folder: Path) -> None:
    """A folder in the place of the model."""
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").mkdir()


def add_link(archive: zipfile.ZipFile, path: Path) -> None:
    """A symbolic link to a file of the machine."""
    entry = zipfile.ZipInfo("link.onnx")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(entry, "/etc/passwd")


def add_twice(archive: zipfile.ZipFile, path: Path) -> None:
    """A second model.onnx, after the first."""
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("model.onnx", b"another")


def bomb(maker: Any) -> Path:
    """A zip whose model is a thousand times what the card says."""
    folder = maker.detector()
    path: Path = maker.zipped(folder)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "card.json", "card.json")
        archive.write(folder / "preprocess.onnx", "preprocess.onnx")
        archive.writestr("model.onnx", bytes(64_000_000))
    return path


def lying_bomb(maker: Any) -> Path:
    """The same, but the archive declares the size the card gives."""
    path = bomb(maker)
    content = bytearray(path.read_bytes())
    small = json.loads((path.with_suffix("") / "card.json").read_text())["files"][0]["size_bytes"]
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        struct.pack_into("<I", content, content.rfind(signature) + offset, small)
    path.write_bytes(content)
    return path


def encrypted(content: bytearray) -> bytearray:
    """Every entry says it is encrypted."""
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = content.find(signature)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(signature, at + 4)
    return content


def packed_by_lzma(maker: Any) -> Path:
    """A good bundle, packed by a method not every runtime has."""
    path: Path = maker.zipped(maker.detector(), method=zipfile.ZIP_LZMA)
    return path


def random_zip(maker: Any) -> Path:
    """A zip that was never a bundle."""
    path: Path = maker.zipped(maker.detector())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("holiday.txt", "photographs")
    return path


def zip_in_a_folder(maker: Any) -> Path:
    """A good bundle, zipped with its folder."""
    folder = maker.detector()
    path: Path = maker.zipped(folder)
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"my-bundle/{file.name}")
    return path


def many_entries(maker: Any) -> Path:
    """More files than any bundle has."""
    path: Path = maker.zipped(maker.detector())
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(100):
            archive.writestr(f"extra-{number}", b"")
    return path


def damaged_middle(content: bytearray) -> bytearray:
    """The deflated bytes of the last file before the directory are changed."""
    middle = content.find(b"PK\x01\x02") - 20
    content[middle : middle + 8] = bytes(8)
    return content


def corrupt_card(text: bytes) -> Callable[[Any], Path]:
    """A bundle folder with these bytes for a card."""
    return in_folder(lambda folder: (folder / "card.json").write_bytes(text))


def external_model(maker: Any) -> bytes:
    """A model whose weights lie in another file."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(maker.detector_model())
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")
    content: bytes = model.SerializeToString()
    return content


def external_constant(maker: Any) -> bytes:
    """A model that hides such a reference in a constant inside a branch."""
    onnx = pytest.importorskip("onnx")
    tensor = onnx.numpy_helper.from_array(np.zeros(4, np.float32), "hidden")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secrets.bin")
    inner = onnx.helper.make_node("Constant", [], ["c"], value=tensor)
    branch = onnx.helper.make_graph([inner], "branch", [], [])
    model = onnx.load_from_string(maker.detector_model())
    model.graph.node.append(
        onnx.helper.make_node("If", ["input"], ["o"], then_branch=branch, else_branch=branch)
    )
    content: bytes = model.SerializeToString()
    return content


def without_opset(maker: Any) -> bytes:
    """A model that does not say which operators it means."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load_from_string(maker.detector_model())
    model.ClearField("opset_import")
    content: bytes = model.SerializeToString()
    return content


def future_opset(maker: Any) -> Path:
    """Card and model agree on an opset no runtime has yet."""
    files = {"model.onnx": maker.detector_model(99), "preprocess.onnx": maker.preprocess()}
    path: Path = maker.write(maker.detector(), maker.detector_card(opset=99), files)
    return path


def set_in(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    """Set a field of a card, named by its keys."""

    def change(card: dict[str, Any]) -> None:
        place: Any = card
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return change


def add_file(**fields: Any) -> Callable[[dict[str, Any]], None]:
    """List one more file in a card."""
    entry = {"name": "other.bin", "role": "source", "sha256": "0" * 64, "size_bytes": 1, **fields}
    return lambda card: card["files"].append(entry)


FORMAT, INTEGRITY, MISSING = BundleFormatError, BundleIntegrityError, BundleNotFoundError

CASES = [
    # what is at the path
    Case("nothing there", lambda m: m.detector() / "nowhere", MISSING, ("nowhere",)),
    Case("below a file", lambda m: m.detector() / "card.json" / "x", MISSING, ("x",)),
    Case("a text file", lambda m: m.detector() / "card.json", FORMAT, ("card.json", "zip")),
    Case("a model alone", lambda m: m.detector() / "model.onnx", FORMAT, ("model.onnx", "zip")),
    Case("a FIFO", lambda m: fifo_beside(m.detector()), FORMAT, ("pipe.zip", "neither a folder")),
    Case("a link to itself", lambda m: loop_beside(m.detector()), BundleError, ("loop.zip",)),
    Case(
        "card a FIFO",
        in_folder(lambda f: ((f / "card.json").unlink(), os.mkfifo(f / "card.json"))),
        FORMAT,
        ("card.json", "regular file"),
    ),
    Case(
        "folder without card",
        in_folder(lambda f: (f / "card.json").unlink()),
        FORMAT,
        ("bundle-0", "no card.json"),
    ),
    # files of a folder
    Case("model changed", in_folder(flip_last_byte), INTEGRITY, ("model.onnx", "sha256")),
    Case("model cut off", in_folder(cut_off), INTEGRITY, ("model.onnx", "bytes")),
    Case(
        "model empty",
        in_folder(lambda f: (f / "model.onnx").write_bytes(b"")),
        INTEGRITY,
        ("model.onnx", "is 0 bytes"),
    ),
    Case(
        "model missing",
        in_folder(lambda f: (f / "model.onnx").unlink()),
        INTEGRITY,
        ("model.onnx", "not there"),
    ),
    Case(
        "preprocess changed",
        in_folder(lambda f: (f / "preprocess.onnx").write_bytes(b"x" * 10)),
        INTEGRITY,
        ("preprocess.onnx", "is 10 bytes"),
    ),
    Case("model a FIFO", in_folder(replace_by_fifo), FORMAT, ("model.onnx", "regular file")),
    Case("model a folder", in_folder(replace_by_folder), FORMAT, ("model.onnx",)),
    # the card's text
    Case("card empty", corrupt_card(b""), FORMAT, ("card.json", "JSON")),
    Case("card not JSON", corrupt_card(b"<html>"), FORMAT, ("card.json", "JSON")),
    Case("card cut off", corrupt_card(b'{"schema": "dfedge.card/1", '), FORMAT, ("card.json",)),
    Case("card a list", corrupt_card(b"[]"), FORMAT, ("card.json",)),
    Case("card not UTF-8", corrupt_card(b'{"schema": "\xff\xfe"}'), FORMAT, ("card.json",)),
    Case("card nested deep", corrupt_card(b"[" * 200_000), FORMAT, ("card.json",)),
    Case("card nested in a field", corrupt_card(b'{"a":' * 100_000), FORMAT, ("card.json",)),
    Case("card huge", corrupt_card(b" " * 2_000_000), FORMAT, ("card.json", "2000000 bytes")),
    Case(
        "a card of something else",
        corrupt_card(b'{"name": "model", "license": "mit"}'),
        FORMAT,
        ("card.json", "dfedge card"),
    ),
    # the card's fields
    Case(
        "a later schema",
        in_card(set_in("schema", to="dfedge.card/2")),
        FORMAT,
        ("card.json", "dfedge.card/2", "install the version"),
    ),
    Case("no kind", in_card(lambda c: c.pop("kind")), FORMAT, ("card.json", "kind")),
    Case("unknown kind", in_card(set_in("kind", to="voice")), FORMAT, ("card.json", "voice")),
    Case("unknown field", in_card(set_in("colour", to=1)), FORMAT, ("card.json", "colour")),
    Case(
        "unknown field inside",
        in_card(set_in("input", "depth", to=1)),
        FORMAT,
        ("card.json", "depth", "$.input"),
    ),
    Case("field missing", in_card(lambda c: c.pop("decision")), FORMAT, ("decision",)),
    Case("wrong type", in_card(set_in("opset", to="20")), FORMAT, ("card.json", "$.opset")),
    Case("name with a slash", in_card(set_in("name", to="../x")), FORMAT, ("$.name",)),
    Case("version no number", in_card(set_in("version", to="new")), FORMAT, ("$.version",)),
    Case("std of zero", in_card(set_in("input", "std", to=[1, 0, 1])), FORMAT, ("$.input.std",)),
    Case(
        "threshold over one",
        in_card(set_in("decision", "fake", "threshold", to=1.5)),
        FORMAT,
        ("$.decision.fake.threshold",),
    ),
    Case(
        "file above the bundle",
        in_card(set_in("files", 0, "name", to="../model.onnx")),
        FORMAT,
        ("card.json", "$.files[0].name"),
    ),
    Case(
        "file by absolute path",
        in_card(set_in("files", 0, "name", to="/etc/passwd")),
        FORMAT,
        ("$.files[0].name",),
    ),
    # fields that contradict each other
    Case("no files", in_card(set_in("files", to=[])), FORMAT, ("role 'model'", "card.json")),
    Case("two models", in_card(add_file(role="model")), FORMAT, ("2 entries of role 'model'",)),
    Case(
        "two sources",
        in_card(lambda c: (add_file()(c), add_file(name="b")(c))),
        FORMAT,
        ("2 entries of role 'source'",),
    ),
    Case("no preprocess", in_card(lambda c: c["files"].pop()), FORMAT, ("role 'preprocess'",)),
    Case(
        "preprocess of faces",
        in_face_card(add_file(role="preprocess")),
        FORMAT,
        ("face detector does not use",),
    ),
    Case("file twice", in_card(add_file(name="MODEL.onnx")), FORMAT, ("'model.onnx' 2 times",)),
    Case("card as a file", in_card(add_file(name="card.json")), FORMAT, ("the card itself",)),
    Case("fake_index", in_card(set_in("output", "fake_index", to=1)), FORMAT, ("fake_index",)),
    Case(
        "softmax of one",
        in_card(set_in("output", "activation", to="softmax")),
        FORMAT,
        ("softmax",),
    ),
    Case("no class", in_card(set_in("output", "classes", to=[])), FORMAT, ("classes is empty",)),
    Case(
        "batch profile that decreases",
        in_card(
            set_in(
                "deployment",
                to={"target": "jetson", "batch": {"smallest": 2, "usual": 1, "largest": 8}},
            )
        ),
        FORMAT,
        ("deployment.batch is 2, 1, 8",),
    ),
    Case("a class twice", in_card(set_in("output", "classes", to=["a", "a"])), FORMAT, ("twice",)),
    Case(
        "thresholds crossed",
        in_card(set_in("decision", "real", "threshold", to=0.9)),
        FORMAT,
        ("real.threshold is 0.9",),
    ),
    Case(
        "brightness crossed",
        in_card(set_in("decision", "quality", "min_brightness", to=250)),
        FORMAT,
        ("min_brightness is 250",),
    ),
    Case(
        "frames of a picture",
        in_card(set_in("input", "frames", to=12)),
        FORMAT,
        ("input.frames is 12",),
    ),
    Case(
        "one frame of a clip",
        in_card(set_in("input", "layout", to="NTCHW")),
        FORMAT,
        ("input.frames is 1",),
    ),
    Case(
        "face input not square", in_face_card(set_in("input", "width", to=32)), FORMAT, ("32 x 64",)
    ),
    Case(
        "face layout",
        in_face_card(lambda c: c["input"].update(layout="NTCHW", frames=2)),
        FORMAT,
        ("face detector's is NCHW",),
    ),
    Case("no anchors", in_face_card(set_in("anchors", to=[])), FORMAT, ("anchors is empty",)),
    Case(
        "one output for two",
        in_face_card(set_in("boxes_output", to="scores")),
        FORMAT,
        ("both 'scores'",),
    ),
    # zips
    Case("zip of something else", random_zip, FORMAT, (".zip", "no card.json")),
    Case("zip of a folder", zip_in_a_folder, FORMAT, ("my-bundle/", "no folders")),
    Case("zip empty", in_zip_bytes(lambda b: b""), FORMAT, (".zip", "not a zip")),
    Case("zip cut off", in_zip_bytes(lambda b: b[:-40]), FORMAT, (".zip", "cut off")),
    Case("zip cut in front", in_zip_bytes(lambda b: b[500:]), BundleError, (".zip",)),
    Case("zip damaged", in_zip_bytes(damaged_middle), INTEGRITY, ("damaged",)),
    Case("zip encrypted", in_zip_bytes(encrypted), FORMAT, (".zip", "encrypted")),
    Case("zip of rare method", packed_by_lzma, FORMAT, ("method 14",)),
    Case("zip climbs", in_zip(lambda z, p: z.writestr("../x", "")), FORMAT, ("'../x'",)),
    Case("zip absolute", in_zip(lambda z, p: z.writestr("/tmp/x", "")), FORMAT, ("'/tmp/x'",)),
    Case("zip drive", in_zip(lambda z, p: z.writestr("C:x", "")), FORMAT, ("'C:x'",)),
    Case("zip backslash", in_zip(lambda z, p: z.writestr("..\\x", "")), FORMAT, ("..\\",)),
    Case("zip folder", in_zip(lambda z, p: z.mkdir("sub")), FORMAT, ("'sub/'",)),
    Case("zip link", in_zip(add_link), FORMAT, ("'link.onnx'", "link")),
    Case("zip name twice", in_zip(add_twice), FORMAT, ("'model.onnx'", "twice")),
    Case(
        "zip name twice by case",
        in_zip(lambda z, p: z.writestr("MODEL.ONNX", "")),
        FORMAT,
        ("twice",),
    ),
    Case("zip stranger", in_zip(lambda z, p: z.writestr("run.sh", "")), FORMAT, ("'run.sh'",)),
    Case("zip of many", many_entries, FORMAT, ("more files",)),
    Case("zip bomb", bomb, INTEGRITY, ("model.onnx", "64000000 bytes")),
    Case("zip bomb that lies", lying_bomb, INTEGRITY, ("model.onnx",)),
    # models
    Case("model of text", with_model(lambda m: b"hello world"), FORMAT, ("model.onnx", "ONNX")),
    Case("model of zeros", with_model(lambda m: bytes(100)), FORMAT, ("model.onnx", "ONNX")),
    Case(
        "model cut before hashing",
        with_model(lambda m: m.detector_model()[:-9]),
        FORMAT,
        ("model.onnx", "cut off"),
    ),
    Case(
        "model without opset",
        with_model(without_opset),
        FORMAT,
        ("model.onnx", "opset"),
    ),
    Case(
        "other opset",
        with_model(lambda m: m.detector_model(17)),
        FORMAT,
        ("model.onnx", "opset 17", "card says 20"),
    ),
    Case("future opset", future_opset, FORMAT, ("model.onnx", "opset 99", "pip install")),
    Case("weights outside", with_model(external_model), FORMAT, ("model.onnx", "outside")),
    Case("constant outside", with_model(external_constant), FORMAT, ("model.onnx", "outside")),
]

by_name = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@by_name
def test_a_bad_bundle_is_refused(case: Case, bundle_maker: Any) -> None:
    """The error has its type, names the file and says what is wrong."""
    path = case.make(bundle_maker)
    with pytest.raises(case.error) as caught:
        load_bundle(path)
    message = str(caught.value)
    assert all(name in message for name in case.names), message
    assert str(path.parent) in message or path.name in message
    assert "\n" not in message


@by_name
def test_the_command_says_it_without_traceback(
    case: Case, bundle_maker: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """`dfedge models verify` ends with 3 and one line that names the bundle."""
    path = case.make(bundle_maker)
    assert main(["models", "verify", str(path)]) == 3
    output = capsys.readouterr()
    assert output.out.startswith("BROKEN  ")
    assert output.out.count("\n") == 1
    assert path.name in output.out
    assert output.err == ""


def test_unreadable_files_are_named(bundle_maker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file one may not read is a BundleError that says so."""
    folder, really_open = bundle_maker.detector(), os.open

    def refuse_model(path: Path, *args: Any) -> int:  # chmod does not bind a root user
        if path.name == "model.onnx":
            raise PermissionError(13, "Permission denied", str(path))
        return really_open(path, *args)

    monkeypatch.setattr(os, "open", refuse_model)
    with pytest.raises(BundleError, match=r"model\.onnx: cannot be read .*permissions"):
        load_bundle(folder)


def test_inflating_stops_at_the_size_of_the_card(
    bundle_maker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A zip bomb that lies about its size is never inflated further than the card's size."""
    path = lying_bomb(bundle_maker)
    sizes: list[int] = []
    read = zipfile.ZipExtFile.read

    def counting(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        content = read(self, n)
        sizes.append(len(content))
        return content

    monkeypatch.setattr(zipfile.ZipExtFile, "read", counting)
    with pytest.raises(BundleIntegrityError):
        load_bundle(path)
    assert max(sizes, default=0) < 10_000
