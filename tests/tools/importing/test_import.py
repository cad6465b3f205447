"""``dfedge models import``: every known checkpoint goes in, and a wrong one says what is wrong.

The checkpoints are made here, in the published format, from the names of their entries. All but b0
go through the code in a small form of their architecture; in full they run when
``DFEDGE_TEST_GIANTS=1`` is set (up to 9 GB of memory and some minutes each).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra 'tools'")
pytest.importorskip("timm", reason="needs the extra 'tools'")
pytest.importorskip("onnx", reason="needs the extra 'tools'")
pytest.importorskip("onnxscript", reason="needs the extra 'tools'")
pytest.importorskip("onnxsim", reason="needs the extra 'tools'")

import onnx
import torch

import dfedge_models
from dfedge.bundles.bundle import load_bundle
from dfedge.bundles.card import WHOLE_FRAME, DetectorCard
from dfedge.bundles.store import resolve_detector
from dfedge.cli import main
from dfedge.errors import FidelityError
from dfedge_tools.exporting import exporter
from dfedge_tools.exporting.checkpoint import load_checkpoint
from dfedge_tools.exporting.graph import export_graph
from dfedge_tools.importing.catalogue import CATALOGUE, find
from dfedge_tools.importing.names import NAMES

Output = pytest.CaptureFixture[str]
State = dict[str, Any]

SMALL = {
    "ms_eff_gcvit_b0": {"img_size": 64},
    "ms_eff_gcvit_b5": {"img_size": 64},
    "genconvit_ed": {"img_size": 64},
    "genconvit_vae": {"img_size": 64},
    "dfd_clip_l": {"img_size": 28, "frames": 2, "depth": 2},
}
"""Options that make an architecture small; every layer is still there."""


GRAPHS: dict[str, tuple[bytes, Any]] = {}
"""Exported so far, by the weights."""


def plain(state: State) -> Any:
    """As DeepGuard publishes it."""
    return state


def contained(key: str) -> Callable[[State], Any]:
    """Under a key, beside what a training program saves."""
    return lambda state: {key: state, "epoch": 7, "optimizer": {"lr": 0.1}}


def parallel(state: State) -> Any:
    """As saved from ``DataParallel``."""
    return {"model_state_dict": {f"module.{name}": value for name, value in state.items()}}


@dataclass(frozen=True)
class Case:
    """A known name, how its checkpoint is wrapped, and whether the model is a small one."""

    name: str
    wrap: Callable[[State], Any]
    small: bool = True


CASES = (
    Case("ms-eff-gcvit-b0-celeb-df-v2", plain, small=False),
    Case("ms-eff-gcvit-b0-ffpp", parallel),
    Case("ms-eff-gcvit-b0-kodf", contained("ema")),
    Case("ms-eff-gcvit-b5-celeb-df-v2", plain),
    Case("ms-eff-gcvit-b5-ffpp", contained("model")),
    Case("ms-eff-gcvit-b5-kodf", plain),
    Case("genconvit-ed", contained("state_dict")),
    Case("genconvit-vae", contained("state_dict")),
    Case("dfd-clip-l", contained("model_state_dict")),
)


@pytest.fixture
def small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every architecture is made in its small form."""
    create = dfedge_models.create
    monkeypatch.setattr(dfedge_models, "create", lambda name: create(name, **SMALL[name]))


@pytest.fixture(autouse=True)
def one_export_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal weights give equal graphs, so that a model is traced once for all tests."""

    def remembered(model: Any, **options: Any) -> Any:
        digest = hashlib.sha256(type(model).__name__.encode())
        for value in model.state_dict().values():
            digest.update(value.contiguous().numpy().tobytes())
        key = digest.hexdigest()
        if key not in GRAPHS:
            proto, report = export_graph(model, **options)
            GRAPHS[key] = (proto.SerializeToString(), report)
        content, report = GRAPHS[key]
        return onnx.load_from_string(content), report

    monkeypatch.setattr(exporter, "export_graph", remembered)


@pytest.fixture
def save(tmp_path: Path, official_state: Callable[[Any], State]) -> Callable[..., Path]:
    """Saves a made checkpoint of a known name: ``(name, wrap)``."""

    def made(name: str, wrap: Callable[[State], Any] = plain) -> Path:
        entry = CATALOGUE[name]
        path = tmp_path / "checkpoint.bin"
        torch.save(wrap(official_state(dfedge_models.create(entry.architecture))), path)
        return path

    return made


def verified(name: str, checkpoint: Path) -> int:
    """The exit code of ``dfedge verify`` for an installed bundle and its checkpoint in torch."""
    return main(["verify", str(checkpoint), name, "--limits", "same", "--quiet"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_known_checkpoint_becomes_a_bundle_equal_to_torch(
    case: Case,
    save: Callable[..., Path],
    request: pytest.FixtureRequest,
    capsys: Output,
) -> None:
    """Through the command line, wrapped as publishers wrap it; `verify` finds no difference."""
    if case.small:
        request.getfixturevalue("small_models")
    entry = CATALOGUE[case.name]
    path = save(case.name, case.wrap)
    assert 0 == main(["models", "import", case.name, "--checkpoint", str(path), "--quiet"])
    said = capsys.readouterr()
    assert f"installed {case.name} {entry.version}" in said.out
    assert f"licence       {entry.licence}" in said.err
    assert 0 == verified(case.name, path)


def test_every_known_torch_checkpoint_is_tried() -> None:
    """None is forgotten."""
    torch_names = {entry.name for entry in CATALOGUE.values() if entry.file_format == "torch"}
    assert torch_names == {case.name for case in CASES}


def test_other_weights_do_not_verify(
    small_models: None, save: Callable[..., Path], capsys: Output
) -> None:
    """So that the test above can fail."""
    path = save("ms-eff-gcvit-b0-kodf")
    assert 0 == run("ms-eff-gcvit-b0-kodf", path)
    state = torch.load(path, weights_only=True)
    state["head.4.weight"] *= 1.1
    torch.save(state, path)
    assert 1 == verified("ms-eff-gcvit-b0-kodf", path)


@pytest.fixture
def b0(small_models: None, save: Callable[..., Path]) -> Path:
    """A small b0 checkpoint."""
    return save("ms-eff-gcvit-b0-ffpp")


def run(name: str, path: Path, *more: str) -> int:
    """The command's exit code."""
    return main(["models", "import", name, "--checkpoint", str(path), "--quiet", *more])


def test_the_card_says_where_the_weights_come_from(b0: Path, capsys: Output) -> None:
    """Licence, address, hash of the file, published figures, the crop of the original."""
    assert 0 == run("ms_eff_gcvit_b0/ff++", b0, "--json")
    values = json.loads(capsys.readouterr().out)
    card = load_bundle(values["path"]).card
    assert isinstance(card, DetectorCard)
    assert "MIT" == card.licence == values["licence"]
    assert values["source_sha256"] == card.provenance.source_sha256
    assert str(card.provenance.source_url).endswith("/v0.1.0/ms_eff_gcvit_b0_ff++.bin")
    assert [("accuracy", 0.9808), ("auc", 0.9969)] == [(m.name, m.value) for m in card.metrics]
    assert all("as published by" in metric.data for metric in card.metrics)
    crop = card.crop
    assert (0.2, "none", "letterbox", 0) == (
        crop.margin,
        crop.squaring,
        crop.resize,
        crop.pad_value,
    )


def test_thresholds_are_the_published_rule_and_say_so(b0: Path) -> None:
    """Fake from one half on, and in three places that this is no operating point."""
    assert 0 == run("ms-eff-gcvit-b0-ffpp", b0)
    _, card = resolve_detector("ms-eff-gcvit-b0-ffpp")
    assert (0.5, 0.4999) == (card.decision.fake.threshold, card.decision.real.threshold)
    assert "no calibrated operating point" in card.decision.fake.meaning
    assert "uncalibrated" in card.decision.calibration.fitted_on
    assert any("not calibrated" in limit for limit in card.limits)
    assert "mean_probability" == card.decision.frame_aggregation


def test_measured_thresholds_take_its_place(b0: Path, tmp_path: Path) -> None:
    """As ``dfedge calibrate`` writes them, on mean logits; no limit denies them then."""
    decision = {
        "temperature": 2.0,
        "bias": 0.1,
        "fitted_on": "my clips",
        "fake": {"threshold": 0.8, "meaning": "at most 5% of mine"},
        "real": {"threshold": 0.3, "meaning": "at most 5% of mine"},
    }
    path = tmp_path / "decision.json"
    path.write_text(json.dumps(decision), encoding="utf-8")
    more = ["--decision", str(path), "--version", "0.1.1"]
    assert 0 == run("ms-eff-gcvit-b0-ffpp", b0, *more)
    _, card = resolve_detector("ms-eff-gcvit-b0-ffpp@0.1.1")
    assert (2.0, 0.8, 0.3) == (
        card.decision.calibration.temperature,
        card.decision.fake.threshold,
        card.decision.real.threshold,
    )
    assert not any("not calibrated" in limit for limit in card.limits)
    assert "mean_logit" == card.decision.frame_aggregation


def test_out_writes_a_folder_and_installs_nothing(b0: Path, tmp_path: Path, home: Path) -> None:
    """For a bundle that goes elsewhere."""
    assert 0 == run("ms-eff-gcvit-b0-ffpp", b0, "--out", str(tmp_path / "mine"))
    assert "ms-eff-gcvit-b0-ffpp" == load_bundle(tmp_path / "mine").card.name
    assert not (home / "bundles").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head.1.weight": None, "head.4.bias": None}, "lacks 2 (head.1.weight, head.4.bias)"),
        ({"extra.weight": torch.zeros(2)}, "has 1 unexpected (extra.weight)"),
        (
            {"head.4.bias": torch.zeros(2)},
            "has 1 of another shape (head.4.bias (2,) instead of (1,))",
        ),
        (
            {f"more.{index}": torch.zeros(1) for index in range(7)},
            "has 7 unexpected (more.0, more.1, more.2, more.3, more.4 and 2 more)",
        ),
    ],
)
def test_a_wrong_checkpoint_is_refused_with_its_entries_named(
    b0: Path, home: Path, capsys: Output, change: State, message: str
) -> None:
    """Missing, unexpected and misshapen ones, counted; nothing is installed or remembered."""
    state = torch.load(b0, weights_only=True) | change
    torch.save({name: value for name, value in state.items() if value is not None}, b0)
    assert 2 == run("ms-eff-gcvit-b0-ffpp", b0)
    error = capsys.readouterr().err
    assert f"{b0}: the weights do not fit the architecture: {message}" in error
    assert not home.exists() or [] == list(home.iterdir())


def test_a_checkpoint_of_another_model_is_refused(
    small_models: None, save: Callable[..., Path], capsys: Output
) -> None:
    """Both lists are told, at most five names each."""
    assert 2 == run("ms-eff-gcvit-b0-kodf", save("genconvit-ed"))
    error = capsys.readouterr().err
    assert "lacks " in error
    assert " unexpected (" in error
    assert error.count(" more)") == 2


def test_a_graph_that_differs_from_torch_is_not_installed(
    b0: Path, home: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is its checkpoint remembered."""

    def differ(model: Any, **options: Any) -> Any:
        raise FidelityError("the ONNX graph differs from torch by 1 in a logit")

    monkeypatch.setattr(exporter, "export_graph", differ)
    assert 2 == run("ms-eff-gcvit-b0-ffpp", b0)
    assert "differs from torch by 1" in capsys.readouterr().err
    assert not home.exists() or [] == list(home.iterdir())


def test_half_precision_weights_are_taken(b0: Path) -> None:
    """As some publishers store them."""
    state = torch.load(b0, weights_only=True)
    torch.save({n: v.half() if v.is_floating_point() else v for n, v in state.items()}, b0)
    model = dfedge_models.create("ms_eff_gcvit_b0")
    load_checkpoint(model, b0)
    weight = model.state_dict()["head.1.weight"]
    assert torch.float32 == weight.dtype
    assert torch.equal(state["head.1.weight"].half().float(), weight)


def test_safetensors_are_taken(b0: Path, tmp_path: Path) -> None:
    """As mirrors store them, behind the prefix of a wrapper."""
    from safetensors.torch import save_file

    state = torch.load(b0, weights_only=True)
    path = tmp_path / "model.safetensors"
    save_file({f"model.{name}": value.contiguous() for name, value in state.items()}, path)
    assert 0 == run("ms-eff-gcvit-b0-ffpp", path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.bin", None, "is no file; correct --checkpoint"),
        ("w.bin", b"<html>Log in</html>", "is no file of plain torch weights"),
        ("w.safetensors", b"<html>Log in</html>", "is no file of plain torch weights"),
    ],
)
def test_what_is_no_checkpoint_is_refused(
    tmp_path: Path, capsys: Output, name: str, content: bytes | None, message: str
) -> None:
    """With the file named."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert 2 == run("ms-eff-gcvit-b0-ffpp", path)
    assert f"{path}: {message}" in capsys.readouterr().err


def test_the_first_file_is_held_to(b0: Path, home: Path, capsys: Output) -> None:
    """Another file under the same name is refused until its user accepts it."""
    assert 0 == run("ms-eff-gcvit-b0-ffpp", b0)
    first = json.loads((home / "checkpoints.json").read_text(encoding="utf-8"))
    assert ["ms-eff-gcvit-b0-ffpp"] == list(first)
    torch.save({"state_dict": torch.load(b0, weights_only=True)}, b0)
    more = ["--version", "0.1.1"]
    assert 2 == run("ms-eff-gcvit-b0-ffpp", b0, *more)
    error = capsys.readouterr().err
    assert first["ms-eff-gcvit-b0-ffpp"]["sha256"][:16] in error
    assert "--accept-changed" in error
    assert 0 == run("ms-eff-gcvit-b0-ffpp", b0, *more, "--accept-changed")
    assert 0 == run("ms-eff-gcvit-b0-ffpp", b0, *more)


def test_a_broken_list_of_hashes_is_told(b0: Path, home: Path, capsys: Output) -> None:
    """It is not overwritten: what it held is not known."""
    home.mkdir()
    (home / "checkpoints.json").write_text("{", encoding="utf-8")
    assert 2 == run("ms-eff-gcvit-b0-ffpp", b0)
    assert "is not the list of checkpoint hashes" in capsys.readouterr().err
    assert "{" == (home / "checkpoints.json").read_text(encoding="utf-8")


def test_an_installed_version_never_changes(b0: Path, tmp_path: Path, capsys: Output) -> None:
    """The same weights again are no error; other thresholds need a version of their own."""
    assert 0 == run("ms-eff-gcvit-b0-ffpp", b0)
    assert 0 == run("ms-eff-gcvit-b0-ffpp", b0)
    decision = {
        "temperature": 1.0,
        "bias": 0.0,
        "fitted_on": "mine",
        "fake": {"threshold": 0.9, "meaning": "x"},
        "real": {"threshold": 0.1, "meaning": "x"},
    }
    path = tmp_path / "decision.json"
    path.write_text(json.dumps(decision), encoding="utf-8")
    assert 2 == run("ms-eff-gcvit-b0-ffpp", b0, "--decision", str(path))
    assert "a version of its own" in capsys.readouterr().err


def test_a_name_that_is_none_is_refused_with_the_nearest(tmp_path: Path, capsys: Output) -> None:
    """And with all there are."""
    assert 2 == run("genconvit-edd", tmp_path / "w.bin")
    error = capsys.readouterr().err
    assert "did you mean genconvit-ed?" in error
    assert all(name in error for name in NAMES)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("ms_eff_gcvit_b0/ff++", "ms-eff-gcvit-b0-ffpp"),
        ("ms_eff_gcvit_b5/celeb_df_v2", "ms-eff-gcvit-b5-celeb-df-v2"),
        ("MS-Eff-GCViT-b5-KoDF", "ms-eff-gcvit-b5-kodf"),
        ("genconvit_vae", "genconvit-vae"),
    ],
)
def test_the_publishers_spelling_counts(given: str, name: str) -> None:
    """A user need not learn another."""
    assert name == find(given).name


def test_every_entry_of_the_catalogue_makes_a_sound_card() -> None:
    """Names in one order; an address is HTTPS and ends in the file's name; the frame is whole."""
    assert NAMES == tuple(CATALOGUE)
    for entry in CATALOGUE.values():
        if entry.url is not None:
            assert entry.url.startswith("https://")
            assert entry.url.endswith(f"/{entry.file_name}")
        assert np.isfinite([metric.value for metric in entry.metrics]).all()
    assert WHOLE_FRAME == CATALOGUE["dfd-clip-l"].crop.box_source


GIANTS = os.environ.get("DFEDGE_TEST_GIANTS")


@pytest.mark.skipif(not GIANTS, reason="9 GB of memory and minutes; set DFEDGE_TEST_GIANTS=1")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "name", ["ms-eff-gcvit-b5-kodf", "genconvit-ed", "genconvit-vae", "dfd-clip-l"]
)
def test_a_giant_becomes_a_bundle_equal_to_torch(name: str, save: Callable[..., Path]) -> None:
    """The largest models in full size."""
    path = save(name, contained("model_state_dict"))
    assert 0 == run(name, path)
    assert 0 == verified(name, path)
