"""The command: from a table, or a bundle and faces, to files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("torch", reason="needs the extra 'tools'")

from dfedge.bundles.bundle import load_bundle
from dfedge.bundles.card import DetectorCard
from dfedge.cli import main
from dfedge_tools.commands.calibrate import SHARES
from dfedge_tools.deciding.promises import Limits
from dfedge_tools.evaluating.scores import Scored, write_scores
from dfedge_tools.exporting.bundle import DecisionNumbers

ScoreMaker = Callable[..., list[Scored]]


@pytest.fixture
def table(scores_of: ScoreMaker, tmp_path: Path) -> str:
    """A table of scores of sixty people and 120 stills."""
    path = tmp_path / "scores.csv"
    write_scores(path, scores_of(3.0, people=60, stills=120))
    return str(path)


def test_the_options_are_the_limits() -> None:
    """Names and defaults of the command are those of the type."""
    assert {name: default for name, (_, default) in SHARES.items()} == {
        name: getattr(Limits(), name) for name in Limits.__slots__
    }


def test_export_reads_the_decision(table: str, tmp_path: Path, capsys: Any) -> None:
    """What is written has the fields that dfedge export --decision takes, and says more."""
    out = tmp_path / "decision.json"
    assert 1 == main(["calibrate", "--scores", table, "--out", str(out)])
    assert "1 in 61" in capsys.readouterr().out
    numbers = msgspec.json.decode(out.read_bytes(), type=DecisionNumbers)
    assert 0 <= numbers.real.threshold < numbers.fake.threshold <= 1
    assert "scores.csv" == numbers.fitted_on
    assert json.loads(out.read_text())["counts"]["clip original"] == 60


def test_supported_promises_end_well(table: str, tmp_path: Path) -> None:
    """When the data support what is asked, the code is 0 and the picture is drawn."""
    shares = [word for name in SHARES for word in (f"--{name.replace('_', '-')}", "0.1")]
    plot = tmp_path / "decision.png"
    arguments = ["calibrate", "--scores", table, "--out", str(tmp_path / "d.json")]
    assert 0 == main([*arguments, "--plot", str(plot), *shares])
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_same_scores_give_the_same_bytes(table: str, tmp_path: Path) -> None:
    """Decision and picture hang on nothing but the scores."""
    for name in ("a", "b"):
        arguments = ["calibrate", "--scores", table, "--out", str(tmp_path / f"{name}.json")]
        assert 1 == main([*arguments, "--plot", str(tmp_path / f"{name}.svg")])
    for kind in ("json", "svg"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_a_bundle_gets_the_decision(
    table: str, own_bundle: Path, tmp_path: Path, capsys: Any
) -> None:
    """In the card of a copy, whose files are untouched; what changed is told; figures that hang on
    the old decision fall."""
    out = tmp_path / "new"
    arguments = ["calibrate", str(own_bundle), "--scores", table, "--out", str(out)]
    assert 1 == main([*arguments, "--json", "--fitted-on", "sixty people"])
    told = json.loads(capsys.readouterr().out)
    old, new = load_bundle(own_bundle), load_bundle(out)
    assert isinstance(old.card, DetectorCard)
    assert isinstance(new.card, DetectorCard)
    assert old.card.files == new.card.files
    assert told["decision"]["fake"]["threshold"] == new.card.decision.fake.threshold
    assert "at most 1.6% of genuine clips" in new.card.decision.fake.meaning
    assert "sixty people" == new.card.decision.calibration.fitted_on
    assert old.card.decision.quality == new.card.decision.quality
    assert {"fake.threshold", "calibration.fitted_on"} <= {c["field"] for c in told["changes"]}


def test_measured_quality_proposes_limits(
    scores_of: ScoreMaker, own_bundle: Path, tmp_path: Path, capsys: Any
) -> None:
    """Blur at which errors surely grow is outside the limit that is written."""
    frames = []
    for n, frame in enumerate(scores_of(6.0, people=200, frames=1, stills=200)):
        blurred = n % 7 == 0
        logit = -frame.logit if blurred else frame.logit
        frames.append(
            Scored(
                frame.video_id, frame.label, frame.method, "", frame.source, frame.split, logit,
                identity=frame.identity, face_pixels=80.0 + n % 50,
                sharpness=(5.0 if blurred else 50.0) + (n % 11) / 10, brightness=90.0 + n % 60,
            )
        )  # fmt: skip
    path = tmp_path / "scores.csv"
    write_scores(path, frames)
    out = tmp_path / "new"
    arguments = ["calibrate", str(own_bundle), "--scores", str(path), "--out", str(out)]
    main([*arguments, "--set-quality"])
    card = load_bundle(out).card
    assert isinstance(card, DetectorCard)
    quality = card.decision.quality
    assert 6.0 <= quality.min_sharpness <= 51.0
    assert (80.0, 90.0) == (quality.min_face_pixels, quality.min_brightness)
    assert "proposed limits" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--scores: is missing"),
        (["--scores", "none.csv"], "none.csv: cannot be read"),
        (["--scores", "TABLE", "--clips", "x"], "--scores and --clips"),
        (["--clips", "x"], "--clips: needs a bundle"),
        (["--scores", "TABLE", "--reference", "x"], "--reference: needs a bundle"),
        (["--scores", "TABLE", "--set-quality"], "--set-quality: needs a bundle"),
        (["--scores", "TABLE", "--stills", "x"], "--stills: is scored beside --clips"),
        (["--scores", "TABLE", "--split", "x"], "--split: is of --clips"),
        (["--scores", "TABLE", "--plot", "x.gif"], "--plot x.gif"),
        (["BUNDLE"], "nothing to do"),
        (["BUNDLE", "--clips", "none"], "none: is not there"),
        (["BUNDLE", "--reference", "none"], "none: is not there"),
        (["BUNDLE", "--scores", "TABLE", "--set-quality"], "--set-quality: the scores tell"),
    ],
)
def test_wrong_usage_writes_nothing(
    arguments: list[str],
    message: str,
    table: str,
    own_bundle: Path,
    tmp_path: Path,
    capsys: Any,
) -> None:
    """The message names the option, the code is 2, and nothing is there afterwards."""
    places = {"TABLE": table, "BUNDLE": str(own_bundle)}
    out = tmp_path / "out"
    given = [places.get(word, word) for word in arguments]
    assert 2 == main(["calibrate", *given, "--out", str(out)])
    assert message in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("share", ["0", "1", "-0.1", "many", "nan"])
def test_a_share_lies_between_nothing_and_all(share: str, capsys: Any) -> None:
    """Neither end can be promised."""
    assert 2 == main(["calibrate", "--false-alarms", share, "--out", "x"])
    assert "is not a share" in capsys.readouterr().err


def test_a_strange_folder_is_not_replaced(table: str, own_bundle: Path, tmp_path: Path) -> None:
    """What is no bundle of that name stays."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "note.txt").write_text("keep")
    arguments = ["calibrate", str(own_bundle), "--scores", table, "--out", str(folder)]
    assert 2 == main(arguments)
    assert ["note.txt"] == [path.name for path in folder.iterdir()]
