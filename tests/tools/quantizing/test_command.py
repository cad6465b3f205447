"""``dfedge quantize`` as a user runs it: what it writes, refuses, prints and leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import onnx
import pytest

from dfedge.bundles.bundle import Bundle, load_bundle
from dfedge.bundles.card import DetectorCard, Metric
from dfedge.cli import build_parser, main
from dfedge_tools.commands.limits import LIMITS
from dfedge_tools.exporting.metadata import write_metadata
from dfedge_tools.fidelity import Limits
from dfedge_tools.quantizing import search as searching
from dfedge_tools.quantizing.recipes import RECIPES

LOOSE = ["--min-sign-agreement", "none", "--min-label-agreement", "none"]
LOOSE += ["--max-probability-change", "0.5", "--max-auc-change", "none"]
LOOSE += ["--max-calibration-change", "none", "--min-correlation", "0.9"]


def card_of(folder: Path) -> DetectorCard:
    """The card of a bundle that was written."""
    card = load_bundle(folder).card
    assert isinstance(card, DetectorCard)
    return card


def test_it_writes_a_bundle_with_its_fidelity(
    toy: Bundle, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Recipe, reference, and figures measured on the faces; the rest is the large form's."""
    out = tmp_path / "q"
    assert 0 == main(["quantize", str(toy.path), "--out", str(out), "--faces", str(faces), *LOOSE])
    made, large = card_of(out), toy.card
    assert isinstance(large, DetectorCard)
    assert made.quantization is not None
    assert made.quantization.recipe.startswith("small: int8 weights of linear layers")
    assert toy.sha256 == made.quantization.reference_sha256
    fidelity = made.quantization.fidelity
    assert fidelity.data.startswith("40 faces of ")
    assert fidelity.logit_correlation > 0.99
    assert fidelity.auc_change is not None
    same = ("version", "architecture", "input", "crop", "output", "decision", "deployment")
    assert [getattr(large, key) for key in same] == [getattr(made, key) for key in same]
    assert ("toy-small", ()) == (made.name, made.metrics)
    assert toy.read("preprocess") == load_bundle(out).read("preprocess")
    text = capsys.readouterr().out
    assert f"{out}: toy-small 1.2.3, 0.1 MB -> 0.0 MB" in text
    assert "AUC" in text


def test_without_faces_it_says_that_it_measured_noise(
    toy: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In its output and in the card."""
    out = tmp_path / "q"
    assert 0 == main(["quantize", str(toy.path), "--out", str(out), *LOOSE])
    assert "Noise tests the arithmetic only" in capsys.readouterr().out
    quantization = card_of(out).quantization
    assert quantization is not None
    assert "64 inputs of seeded normal noise (no faces)" == quantization.fidelity.data


@pytest.mark.parametrize("recipe", [recipe.name for recipe in RECIPES])
def test_every_recipe_by_name(recipe: str, toy: Bundle, faces: Path, tmp_path: Path) -> None:
    """Each bundle loads, and half arithmetic is in the card."""
    given = ["--recipe", recipe, "--faces", str(faces), *LOOSE, "--name", "mine"]
    assert 0 == main(["quantize", str(toy.path), "--out", str(tmp_path / "q"), *given])
    card = card_of(tmp_path / "q")
    assert "mine" == card.name
    half = card.deployment is not None and card.deployment.precision == "float16"
    assert (recipe == "fp16-compute") == half


def test_outside_the_limits_nothing_is_written(
    toy: Bundle, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, what failed and by how much; --force writes it and says so."""
    given = ["quantize", str(toy.path), "--out", str(tmp_path / "q"), "--faces", str(faces)]
    given += [*LOOSE, "--max-probability-change", "1e-7"]
    assert 1 == main(given)
    captured = capsys.readouterr()
    assert "probability change is" in captured.err
    assert "over 1e-07. It was not written" in captured.err
    assert [] == list(tmp_path.iterdir())
    assert 1 == main([*given, "--force"])
    assert "OUTSIDE THE LIMITS: probability change is" in capsys.readouterr().out
    quantization = card_of(tmp_path / "q").quantization
    assert quantization is not None
    assert quantization.fidelity.max_probability_change > 1e-7


def test_a_search_can_be_repeated_by_its_recipe(
    make_graph: Callable[..., bytes],
    make_bundle: Callable[..., Bundle],
    faces: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """--save-recipe makes the same bytes again; what is left out is in the card."""
    spiky = make_bundle(make_graph(spikes=("blocks.0.pw.weight",)))
    base = ["quantize", str(spiky.path), "--faces", str(faces), *LOOSE]
    base += ["--max-probability-change", "0.004", "--json"]
    saved = tmp_path / "least.json"
    out = ["--out", str(tmp_path / "one"), "--save-recipe", str(saved)]
    assert 0 == main([*base, *out, "--search", "--probes", "8"])
    told = json.loads(capsys.readouterr().out)
    assert "blocks.0.pw" in told["search"]["left_out"]
    assert "the file itself" == told["search"]["steps"][-1]["what"]
    assert 0 == main([*base, "--out", str(tmp_path / "two"), "--recipe", str(saved)])
    again = json.loads(capsys.readouterr().out)
    one, two = (load_bundle(tmp_path / name) for name in ("one", "two"))
    assert one.sha256 == two.sha256
    assert told["recipe"] == again["recipe"]
    assert told["size_bytes"] == again["size_bytes"]
    quantization = card_of(tmp_path / "one").quantization
    assert quantization is not None
    assert "blocks.0.pw" in quantization.recipe
    assert card_of(tmp_path / "one").name == "toy-weights-int8-searched"


def test_a_search_prints_its_path(
    toy: Bundle, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line a step, with the size and the figure nearest its limit."""
    given = ["--out", str(tmp_path / "q"), "--faces", str(faces), *LOOSE, "--search"]
    assert 0 == main(["quantize", str(toy.path), *given])
    first = capsys.readouterr().out.splitlines()[0]
    assert " MB  kept   all layers: " in first
    assert "(limit " in first


def test_ctrl_c_leaves_nothing(
    toy: Bundle, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a bundle nor a recipe nor a temporary file, wherever it is stopped."""

    def stop(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    out.mkdir()
    given = ["quantize", str(toy.path), "--out", str(out / "q"), "--faces", str(faces), *LOOSE]
    given += ["--save-recipe", str(out / "r.json")]
    for place in (
        "dfedge_tools.quantizing.job.load_faces",
        "dfedge_tools.quantizing.search._by_harm",
        "dfedge_tools.exporting.bundle.open_model",
    ):
        with monkeypatch.context() as patched:
            patched.setattr(place, stop)
            limits = ["--max-probability-change", "1e-4"] if "harm" in place else []
            assert 130 == main([*given, "--search", *limits])
        assert [] == list(out.iterdir()), place


def test_an_older_bundle_stays_when_a_new_one_fails(
    toy: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is replaced by a whole one only."""
    given = ["quantize", str(toy.path), "--out", str(tmp_path / "q"), *LOOSE]
    assert 0 == main(given)
    before = load_bundle(tmp_path / "q").card_json
    assert 1 == main([*given, "--max-probability-change", "0"])
    assert before == load_bundle(tmp_path / "q").card_json


def test_the_figures_of_the_card_are_those_of_the_small_form(toy: Bundle, tmp_path: Path) -> None:
    """Those that --metrics brings."""
    figures = (Metric(name="video_auc", value=0.75, data="clips val", count=58),)
    path = tmp_path / "figures.json"
    path.write_bytes(msgspec.json.encode(figures))
    given = ["--out", str(tmp_path / "q"), "--metrics", str(path), *LOOSE]
    assert 0 == main(["quantize", str(toy.path), *given])
    assert figures == card_of(tmp_path / "q").metrics


def test_a_graph_that_says_what_it_is_says_the_new_name(
    small_graph: bytes, toy: Bundle, make_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    """The metadata of export are kept up to date; a foreign entry is kept."""
    assert isinstance(toy.card, DetectorCard)
    proto = onnx.load_from_string(small_graph)
    proto.metadata_props.add(key="other", value="stays")
    write_metadata(proto, toy.card)
    bundle = make_bundle(proto.SerializeToString())
    for recipe in ("small", "static-qdq", "fp16-compute"):
        given = ["--out", str(tmp_path / recipe), "--recipe", recipe, "--force"]
        main(["quantize", str(bundle.path), *given])
        made = onnx.load_from_string(load_bundle(tmp_path / recipe).read("model"))
        told = {entry.key: entry.value for entry in made.metadata_props}
        assert (f"toy-{recipe}", "stays") == (told["dfedge.name"], told["other"])


def test_the_target_decides_which_recipes_may_be(
    small_graph: bytes,
    make_bundle: Callable[..., Bundle],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Int8 arithmetic for a browser is refused, with the way out; short weights are not."""
    web = make_bundle(small_graph, target="web")
    given = ["quantize", str(web.path), "--out", str(tmp_path / "q"), *LOOSE]
    assert 2 == main([*given, "--recipe", "static-qdq"])
    assert "is for the target 'web', where recipe 'static-qdq' does not run" in (
        capsys.readouterr().err
    )
    assert 0 == main(given)
    deployment = card_of(tmp_path / "q").deployment
    assert deployment is not None
    assert "web" == deployment.target


def test_two_logits_are_judged_by_their_softmax(
    make_graph: Callable[..., bytes], make_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    """A detector with two classes is compared by P(fake)."""
    bundle = make_bundle(make_graph(classes=2), classes=("fake", "real"))
    given = ["--out", str(tmp_path / "q"), "--recipe", "fp16", *LOOSE]
    assert 0 == main(["quantize", str(bundle.path), *given])
    quantization = card_of(tmp_path / "q").quantization
    assert quantization is not None
    assert 0 < quantization.fidelity.max_probability_change < 0.01


def test_a_small_form_is_not_made_smaller_again(
    toy: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its fidelity would be measured against the wrong model."""
    assert 0 == main(["quantize", str(toy.path), "--out", str(tmp_path / "q"), *LOOSE])
    assert 2 == main(["quantize", str(tmp_path / "q"), "--out", str(tmp_path / "qq")])
    assert "is itself a quantized bundle" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([], "MODEL: is missing"),
        (["TOY"], "--out: is missing"),
        (["TOY", "--out", "q", "--search"], "--search: needs faces"),
        (["TOY", "--out", "q", "--recipe", "int4"], "--recipe int4: is none of small"),
        (["TOY", "--out", "q", "--split", "val"], "--split: is of --faces"),
        (["TOY", "--out", "q", "--faces", "nowhere"], "nowhere: is no folder"),
        (["TOY", "--out", "q", "--metrics", "nowhere"], "correct --metrics"),
        (["TOY", "--out", "q", "--faces", "FACES", "--search", "--recipe", "fp16"], "no layers in"),
        (["nowhere", "--out", "q"], "nowhere"),
        (["TOY", "--out", "q", "--save-recipe", "gone/r.json"], "there is no folder"),
        (["--show", "int4"], "is none of small"),
    ],
)
def test_what_cannot_be_is_refused(
    given: list[str],
    problem: str,
    toy: Bundle,
    faces: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2, one line, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    places = {"TOY": str(toy.path), "FACES": str(faces)}
    code = main(["quantize", *(places.get(word, word) for word in given), *LOOSE])
    said = capsys.readouterr().err
    assert 2 == code
    assert problem in said
    assert "Traceback" not in said
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("limit", ["-1", "much", "nan", "inf"])
def test_a_limit_is_a_number_or_none(limit: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else is a usage error."""
    assert 2 == main(["quantize", "x", "--out", "y", f"--max-auc-change={limit}"])
    assert "neither a number from 0 nor none" in capsys.readouterr().err


def test_a_comparison_writes_nothing(
    toy: Bundle, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """A row a recipe, with its size, its fidelity and its speed beside float32."""
    monkeypatch.chdir(tmp_path)
    given = ["quantize", str(toy.path), "--compare", "--faces", str(faces)]
    assert 0 == main([*given, "--json", "--threads", "1"])
    told = json.loads(capsys.readouterr().out)
    assert [recipe.name for recipe in RECIPES] == [row["recipe"] for row in told["rows"]]
    assert all(row["size_bytes"] < told["source"]["size_bytes"] for row in told["rows"])
    assert all(row["ms"] > 0 and row["time_ratio"] > 0 for row in told["rows"])
    assert 0 == main([*given, "--recipe", "small"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[:3] == ["RECIPE", "MB", "CORRELATION"]
    assert ["float32", "small"] == [line.split()[0] for line in lines[3:5]]
    assert [] == list(tmp_path.iterdir())


def test_recipes_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """In words and as JSON."""
    assert 0 == main(["quantize", "--list"])
    text = capsys.readouterr().out
    assert [] == [recipe.name for recipe in RECIPES if f"{recipe.name}: " not in text]
    assert 0 == main(["quantize", "--list", "--json"])
    assert ["cpu", "web", "mobile", "jetson"] == json.loads(capsys.readouterr().out)[0]["targets"]
    assert 0 == main(["quantize", "--show", "static-qdq"])
    assert "percentile" == json.loads(capsys.readouterr().out)["ranges"]["method"]


def test_every_limit_has_its_option() -> None:
    """The command knows the limits of the library and their defaults, none more."""
    usual = {entry.name: entry.default for entry in fields(Limits)}
    assert usual == {name: default for name, (_, default) in LIMITS.items()}


def test_the_default_of_probes_is_the_librarys() -> None:
    """The option repeats it, since it must be known before the library is loaded."""
    assert searching.PROBES == build_parser().parse_args(["quantize"]).probes
