"""``dfedge detect``: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from dfedge.cli import main
from dfedge.errors import BundleNotFoundError, MediaFetchError
from dfedge.verdict import Verdict


def test_a_verdict_is_told_in_words(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Name, label, probability, the reason, time, model: and no colour codes in a pipe."""
    assert main(["detect", str(clips / "fake.mp4")]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == str(clips / "fake.mp4")
    assert lines[1] == "  Video, 640 x 360, 0:02.0, 4 frames looked at, 4 with a face"
    assert lines[3] == "  FAKE  Looks fake, P(fake) 90%, confidence 90%"
    assert "The model puts the probability that the face is fake at 90%" in out
    assert "  Over time  0:00 ████ 0:02" in lines
    assert "  Model      tiny-detector 0.1.0, REAL up to 20%, FAKE from 80%" in lines
    assert "  Time       1.2 s" in lines
    assert "dfedge models show tiny-detector" in lines[-1]
    assert "\x1b" not in out
    assert err == ""


def test_each_person_has_a_row(
    clips: Path, fake_detector: Any, analysis_maker: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """With label, score, counted frames and the course of the score."""
    fake_detector.table["fake.mp4"] = analysis_maker.analysis(
        "fake.mp4", [0.9] * 5, [0.1, 0.2, 0.1, 0.1, None], [0.5] * 5, blurred=[0, 1, 2]
    )
    main(["detect", str(clips / "fake.mp4")])
    rows = [line for line in capsys.readouterr().out.splitlines() if "Person" in line]
    assert rows == [
        "  Person 1   UNCERTAIN    90%  2 of 5 frames count      █████",
        "  Person 2   UNCERTAIN    10%  1 of 4 frames count      ▁▂▁▁",
        "  Person 3   UNCERTAIN    50%  2 of 5 frames count      ▅▅▅▅▅",
    ]


def test_part_of_a_source_that_is_unreadable_is_told(
    clips: Path, fake_detector: Any, analysis_maker: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The problem stands under the verdict."""
    fake_detector.table["fake.mp4"] = analysis_maker.analysis(
        "fake.mp4", [0.9] * 4, problems=["the file ends early: 4 of 20 frames could be decoded"]
    )
    main(["detect", str(clips / "fake.mp4")])
    assert "The file ends early: 4 of 20 frames could be decoded." in capsys.readouterr().out


def test_json_is_the_verdict(
    clips: Path, fake_detector: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """One input, one object, nothing else on stdout."""
    assert main(["detect", str(clips / "fake.mp4"), "--json"]) == 0
    out = capsys.readouterr().out
    assert Verdict.from_json(out) == fake_detector.table["fake.mp4"].verdict
    assert out.count("\n") == 1


def test_json_lines_for_several_inputs(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line each in order, and the unreadable one as a failure."""
    names = ("fake.mp4", "broken.mp4", "real.mp4")
    assert main(["detect", *(str(clips / name) for name in names), "--json"]) == 3
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [document["schema"] for document in documents] == [
        "dfedge.verdict/1",
        "dfedge.failure/1",
        "dfedge.verdict/1",
    ]
    source = str(clips / "broken.mp4")
    assert documents[1] == {
        "schema": "dfedge.failure/1",
        "source": source,
        "error": f"{source}: there is no such file",
        "type": "MediaNotFoundError",
    }


def test_a_folder_and_a_pattern_stand_for_their_files(
    clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sorted, each once."""
    main(["detect", str(clips), str(clips / "*e*.mp4"), "--json"])
    sources = [
        Path(document.get("source", {}).get("name", "")).name
        if isinstance(document["source"], dict)
        else Path(document["source"]).name
        for document in map(json.loads, capsys.readouterr().out.splitlines())
    ]
    assert sources == ["broken.mp4", "empty.mp4", "fake.mp4", "real.mp4", "unsure.mp4"]


@pytest.mark.parametrize(
    ("names", "options", "code"),
    [
        (["fake.mp4"], [], 0),
        (["empty.mp4"], [], 0),
        (["fake.mp4"], ["--fail-on", "fake"], 1),
        (["real.mp4", "fake.mp4"], ["--fail-on", "uncertain"], 1),
        (["unsure.mp4"], ["--fail-on", "fake"], 0),
        (["unsure.mp4"], ["--fail-on", "uncertain"], 1),
        (["real.mp4", "empty.mp4"], ["--fail-on", "uncertain"], 0),
        (["broken.mp4"], [], 3),
        (["broken.mp4", "real.mp4"], ["--fail-on", "fake"], 3),
        (["broken.mp4", "fake.mp4"], ["--fail-on", "fake"], 1),
    ],
)
def test_exit_codes(clips: Path, names: list[str], options: list[str], code: int) -> None:
    """As documented; a finding counts more than an unreadable input."""
    assert main(["detect", *(str(clips / name) for name in names), *options, "--json"]) == code


def test_unreadable_inputs_are_listed_and_the_others_done(
    clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr at the end."""
    names = ("broken.mp4", "real.mp4", "gone.mp4")
    assert main(["detect", *(str(clips / name) for name in names)]) == 3
    out, err = capsys.readouterr()
    assert "Looks real" in out
    assert err.splitlines() == [
        "dfedge: 2 of 3 inputs could not be read:",
        f"  {clips / 'broken.mp4'}: there is no such file",
        f"  {clips / 'gone.mp4'}: there is no such file",
    ]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["x.mp4", "--frames", "0"],
        ["x.mp4", "--frames", "many"],
        ["x.mp4", "--threads", "-1"],
        ["x.mp4", "--timeout", "0"],
        ["x.mp4", "--timeout", "inf"],
        ["x.mp4", "--max-bytes", "much"],
        ["x.mp4", "--sampling", "odd"],
        ["x.mp4", "--device", "tpu"],
        ["x.mp4", "--faces", "haar"],
        ["x.mp4", "--fail-on", "real"],
        ["x.mp4", "--json", "--csv", "-"],
        ["x.mp4", "--heatmaps", "3"],
        ["x.mp4", "--heatmaps", "0", "--report", "r.html"],
        ["nothing/*.mp4"],
    ],
)
def test_wrong_usage_ends_with_2_before_any_work(
    fake_detector: Any, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The mistake is named, no detector is opened."""
    assert main(["detect", *options]) == 2
    out, err = capsys.readouterr()
    assert (out, fake_detector.opened) == ("", [])
    assert "dfedge" in err
    assert "Traceback" not in err


def test_options_reach_the_detector(clips: Path, fake_detector: Any) -> None:
    """Each option by its value."""
    options = (
        "--model other --device cpu --sampling scene --frames 7 --faces mediapipe --threads 2 "
        "--as-frames --max-bytes 1.5MB --timeout 9 --heatmaps 3"
    )
    options += f" --report {clips.parent / 'report.html'}"
    main(["detect", str(clips / "fake.mp4"), *options.split()])
    limits = fake_detector.opened[0].pop("limits")
    assert fake_detector.opened == [
        {
            "model": "other",
            "device": "cpu",
            "sampling": "scene",
            "frames": 7,
            "face_backend": "mediapipe",
            "threads": 2,
            "escalate": None,
            "as_frames": True,
            "heatmaps": 3,
        }
    ]
    assert (limits.max_bytes, limits.max_seconds) == (1572864, 9.0)
    assert fake_detector.closed == 1


def test_a_missing_model_ends_with_2(
    clips: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, no traceback."""

    def fail(*arguments: object, **options: object) -> None:
        raise BundleNotFoundError("no bundle is called 'nope'")

    monkeypatch.setattr("dfedge.detector.Detector", fail)
    assert main(["detect", str(clips / "fake.mp4"), "--model", "nope"]) == 2
    assert capsys.readouterr().err == "dfedge: no bundle is called 'nope'\n"


def test_csv_has_a_row_an_observation(
    clips: Path, fake_detector: Any, analysis_maker: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each face in each frame, one row for an input without faces, one for an unreadable one."""
    fake_detector.table["fake.mp4"] = analysis_maker.analysis(
        'a "b", c.mp4', [0.9] * 4, [0.1, None, 0.1, 0.1], blurred=[0]
    )
    names = ("fake.mp4", "empty.mp4", "broken.mp4")
    assert main(["detect", *(str(clips / name) for name in names), "--csv", "-"]) == 3
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 4 + 3 + 1 + 1
    assert rows[0] == {
        "source": 'a "b", c.mp4',
        "label": "FAKE",
        "fake_probability": "0.9000",
        "track_id": "0",
        "track_label": "FAKE",
        "track_fake_probability": "0.9000",
        "pts_seconds": "0.000",
        "frame_index": "0",
        "box_left": "100.0",
        "box_top": "50.0",
        "box_right": "200.0",
        "box_bottom": "150.0",
        "detection_score": "0.9000",
        "logit": "2.1972",
        "frame_fake_probability": "0.9000",
        "issues": "too_blurry",
        "error": "",
    }
    assert (rows[1]["issues"], rows[-2]["label"], rows[-2]["track_id"]) == ("", "NO_FACE", "")
    assert rows[-1]["error"].endswith("there is no such file")


def test_csv_and_report_files_beside_the_text(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both are written, the text is still printed, and the report's path is told."""
    table, report = tmp_path / "t.csv", tmp_path / "r.html"
    names = (str(clips / "fake.mp4"), str(clips / "broken.mp4"))
    assert main(["detect", *names, "--csv", str(table), "--report", str(report)]) == 3
    out, err = capsys.readouterr()
    assert "Looks fake" in out
    assert err.splitlines()[-1] == f"Report: {report}"
    assert len(table.read_text().splitlines()) == 1 + 4 + 1
    html = report.read_text(encoding="utf-8")
    assert "Looks fake" in html
    assert "There is no such file." in html


def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    clips: Path, fake_detector: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No folder, a folder in its place, an input in its place, one file for two things."""
    source = str(clips / "fake.mp4")
    link = tmp_path / "link.html"
    link.symlink_to(source)
    for options in (
        ["--report", str(tmp_path / "no" / "r.html")],
        ["--report", str(tmp_path)],
        ["--report", source],
        ["--report", str(link)],
        ["--csv", source],
        ["--csv", str(tmp_path / "x"), "--report", str(tmp_path / "x")],
    ):
        assert main(["detect", source, *options]) == 2, options
        assert options[0] in capsys.readouterr().err
    assert fake_detector.opened == []
    assert Path(source).read_bytes() == b"video fake.mp4"


def test_a_report_that_fails_leaves_the_old_one(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file appears whole or not at all, and nothing else is left in the folder."""
    report = tmp_path / "out" / "r.html"
    report.parent.mkdir()
    report.write_text("old")

    def fail(*arguments: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("dfedge.report.render_report", fail)
    assert main(["detect", str(clips / "fake.mp4"), "--report", str(report)]) == 130
    assert report.read_text() == "old"
    assert list(report.parent.iterdir()) == [report]


def test_a_bug_is_told_in_a_line(
    clips: Path, fake_detector: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the way to more; --debug, before or after the command, gives the traceback."""
    fake_detector.table["fake.mp4"] = RuntimeError("boom")
    source = str(clips / "fake.mp4")
    assert main(["detect", source]) == 70
    err = capsys.readouterr().err
    assert err.startswith("dfedge: a bug in dfedge 0.1.0: RuntimeError: boom\n")
    assert "Traceback" not in err
    for arguments in (["--debug", "detect", source], ["detect", source, "--debug"]):
        assert main(arguments) == 70
        assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_keeps_what_was_printed(
    clips: Path, fake_detector: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first verdict stays, no report is written, the detector is closed, the code is 130."""
    fake_detector.table["real.mp4"] = KeyboardInterrupt()
    report = tmp_path / "r.html"
    names = (str(clips / "fake.mp4"), str(clips / "real.mp4"))
    assert main(["detect", *names, "--json", "--report", str(report)]) == 130
    out, err = capsys.readouterr()
    assert json.loads(out)["label"] == "FAKE"
    assert err.startswith("dfedge: interrupted")
    assert not report.exists()
    assert fake_detector.closed == 1


@pytest.mark.parametrize("options", [["--json"], ["--csv", "-"], ["--report", "r.html"]])
def test_a_password_in_an_address_is_not_repeated(
    fake_detector: Any,
    options: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A source is called what its verdict or error calls it, which leaves credentials out."""
    monkeypatch.chdir(tmp_path)
    failure = MediaFetchError("https://example.org/a.mp4", "answers 403")
    fake_detector.failures = {"a.mp4": failure}
    assert main(["detect", "https://ana:secret@example.org/a.mp4", *options]) == 3
    out, err = capsys.readouterr()
    written = "".join(path.read_text() for path in tmp_path.glob("r.html"))
    assert "answers 403" in err
    assert "secret" not in out + err + written


def test_a_hostile_name_cannot_steer_the_terminal(
    fake_detector: Any, analysis_maker: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither in a verdict nor in a list of failures."""
    name = "\x1b[2J\u202egpj.mp4"
    fake_detector.table[name] = analysis_maker.analysis(name, [0.9] * 4)
    sources = (tmp_path / name, tmp_path / ("no" + name))
    for source in sources:
        source.touch()
    main(["detect", *map(str, sources)])
    out, err = capsys.readouterr()
    assert "\\x1b[2J\\u202egpj.mp4" in out
    assert "no\\x1b[2J\\u202egpj.mp4: there is no such file" in err
    assert "\x1b" not in out + err
