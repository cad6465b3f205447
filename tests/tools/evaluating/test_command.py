"""``dfedge evaluate`` from end to end."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import msgspec
import pytest

from dfedge.bundles.card import Metric
from dfedge.cli import main
from dfedge.types import Image
from dfedge_tools.evaluating.scores import read_scores

from .conftest import save

FEW = ["--least", "1", "--quiet"]


def test_a_detector_that_is_right(
    red_bundle: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Red fakes are told from grey originals; all files are written and agree."""
    out = tmp_path / "new" / "results"
    metrics = tmp_path / "card.json"
    arguments = ["evaluate", str(red_bundle), "--data", str(frames), "--out", str(out)]
    assert 0 == main([*arguments, "--metrics", str(metrics), *FEW, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert "dfedge.evaluation/1" == found["schema"]
    assert 1.0 == found["levels"][1]["figures"]["auc"]["value"]
    assert {"Deepfakes": 1.0, "original": 0.0} == {
        row["name"]: row["called"]["FAKE"]["value"] for row in found["shares"]
    }
    assert found == json.loads((out / "metrics.json").read_text())
    assert 12 == len(read_scores(out / "scores.csv"))
    assert "redness 1.0.0 on" in (out / "report.html").read_text()
    named = msgspec.json.decode(metrics.read_bytes(), type=tuple[Metric, ...])
    assert ("video_auc", 1.0, 6) == (named[0].name, named[0].value, named[0].count)


def test_scores_of_a_run_give_its_figures_again(
    red_bundle: Path, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same text but for where it came from."""
    out = tmp_path / "out"
    assert 0 == main(["evaluate", str(red_bundle), "--data", str(frames), "--out", str(out), *FEW])
    first = capsys.readouterr().out.splitlines()
    again = ["evaluate", str(red_bundle), "--scores", str(out / "scores.csv"), *FEW]
    assert 0 == main(again)
    second = capsys.readouterr().out.splitlines()
    assert first[2:] == [line for line in second[2:] if not line.startswith("note")]


def test_mistakes_are_pictured_unless_forbidden(
    red_bundle: Path, grey: Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A grey fake is a mistake; --no-pictures keeps its picture out of the report."""
    data = tmp_path / "data"
    for number in range(2):
        save(data / "fake" / f"{number}.png", grey)
        save(data / "real" / f"{number}.png", grey)
    arguments = ["evaluate", str(red_bundle), "--data", str(data), *FEW, "--out"]
    assert 0 == main([*arguments, str(tmp_path / "a")])
    assert 0 == main([*arguments, str(tmp_path / "b"), "--no-pictures"])
    pictured, plain = ((tmp_path / name / "report.html").read_text() for name in "ab")
    assert (2, 0) == (pictured.count("data:image/jpeg"), plain.count("data:image/jpeg"))
    assert "fake/0.png" in plain


def test_false_alarms_over_the_limit_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of four genuine pictures called fake: within 30%, not within 20%."""
    path = tmp_path / "scores.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video_id", "label", "source", "logit"])
        writer.writerows([[f"v{n}", 0, "meb", 2 if n == 0 else -2] for n in range(4)])
    assert 0 == main(["evaluate", "--scores", str(path), "--max-false-alarms", "0.3"])
    assert "limit 30.0%: kept" in capsys.readouterr().out
    assert 1 == main(["evaluate", "--scores", str(path), "--max-group-false-alarms", "0.2"])
    assert "meb: 1 of 4 genuine called FAKE, 25.0% (0.6% to 80.6%), limit 20.0%: EXCEEDED" in (
        capsys.readouterr().out
    )


def test_predictions_of_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their table, and the same report as of a bundle."""
    columns = {
        "name": [f"{n}.mp4" for n in range(20)],
        "pred": [0.9] * 9 + [0.3] + [0.1] * 8 + [0.7] * 2,
        "klass": ["fake"] * 10 + ["real"] * 10,
        "pred_label": ["FAKE"] * 9 + ["REAL"] * 9 + ["FAKE"] * 2,
        "correct_label": ["FAKE"] * 10 + ["REAL"] * 10,
    }
    path = tmp_path / "result_timit.json"
    path.write_text(json.dumps({"video": columns}))
    out = tmp_path / "out"
    assert 0 == main(["evaluate", "--predictions", str(path), "--out", str(out)])
    told = capsys.readouterr().out
    assert "result_timit: 20 predictions, 10 of fakes" in told
    assert "stated labels: accuracy 0.850, F1 0.857" in told
    assert "Accuracy of its labels" in (out / "report.html").read_text()


def test_unreadable_inputs_are_listed(
    red_bundle: Path, grey: Image, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rest is done, and the code says so."""
    save(tmp_path / "data" / "real" / "good.png", grey)
    (tmp_path / "data" / "fake").mkdir()
    (tmp_path / "data" / "fake" / "bad.png").write_bytes(b"no picture")
    assert 3 == main(["evaluate", str(red_bundle), "--data", str(tmp_path / "data"), *FEW])
    captured = capsys.readouterr()
    assert "bad.png" in captured.err
    assert "1 frame, 0 without a face" in captured.out


def test_robustness_of_a_sample(
    red_bundle: Path, frames: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Redness survives JPEG; the sweep says on how many videos."""
    from dfedge_tools.evaluating import robustness

    monkeypatch.setattr(robustness, "SWEEPS", robustness.SWEEPS[:1])
    arguments = ["evaluate", str(red_bundle), "--data", str(frames), *FEW, "--json"]
    assert 0 == main([*arguments, "--robustness", "--sample", "4"])
    rows = json.loads(capsys.readouterr().out)["robustness"]
    assert [90, 70, 50, 30, 15] == [row["level"] for row in rows]
    assert {(4, 0, 1.0, 0.0)} == {
        (row["videos"], row["lost"], row["auc"]["value"], row["change"]["value"]) for row in rows
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "give one of --data, --scores and --predictions"),
        (["m", "--data", "x", "--scores", "y"], "give one of"),
        (["--data", "x"], "--data: name the MODEL"),
        (["m", "--predictions", "x"], "--predictions: has scores of its own; leave out m"),
        (["--scores", "x", "--stills", "y"], "--stills: is of --data"),
        (["--scores", "x", "--robustness"], "--robustness: is of --data"),
        (["m", "--data", "x", "--sample", "3"], "--sample: is of --robustness"),
        (["m", "--stills", "x", "--split", "val"], "--split: is of --data"),
        (["--scores", "nowhere.csv"], "nowhere.csv: cannot be read"),
        (["m", "--data", "."], "has no manifest.csv"),
        (["--predictions", "nowhere.json"], "nowhere.json: cannot be read"),
        (["--scores", "x", "--max-false-alarms", "2"], "'2' is not a share from 0 to 1"),
        (["--scores", "x", "--metrics", "no/where.json"], "--metrics no/where.json"),
    ],
)
def test_bad_usage_is_told(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Code 2, the option or file at fault, no traceback."""
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["evaluate", *arguments])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    error = capsys.readouterr().err
    assert 2 == code
    assert told in error
    assert "Traceback" not in error


def test_a_bundle_that_is_not_there_is_named(
    frames: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Code 2 and its name, no traceback."""
    assert 2 == main(["evaluate", "no-such-bundle", "--data", str(frames)])
    error = capsys.readouterr().err
    assert "no-such-bundle" in error
    assert "Traceback" not in error


def test_the_shipped_bundle_on_real_frames(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A few frames of four val clips through the default bundle: all scored, all pictured."""
    with (shared_data / "ffpp_frames" / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "val"]
    by_clip: dict[str, list[dict[str, str]]] = {}
    for entry in rows:
        by_clip.setdefault(entry["video_id"], []).append(entry)
    fakes = [parts[0] for parts in by_clip.values() if parts[0]["label"] == "1"][:2]
    reals = [parts[0] for parts in by_clip.values() if parts[0]["label"] == "0"][:2]
    manifest = tmp_path / "manifest.csv"
    with manifest.open("w", newline="") as file:
        file.write(f"#root={shared_data / 'ffpp_frames'}\n")
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows([*fakes, *reals])
    out = ["--out", str(tmp_path / "out"), *FEW, "--json"]
    assert 0 == main(["evaluate", "dfedge-b0-int8", "--data", str(manifest), *out])
    found = json.loads(capsys.readouterr().out)
    assert (4, 0) == (found["frames"], found["frames_without_face"])
    assert 0 <= found["levels"][1]["figures"]["auc"]["value"] <= 1
    report = (tmp_path / "out" / "report.html").read_text()
    assert len(found["mistakes"]) == report.count("data:image/jpeg")
