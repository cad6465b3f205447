"""``dfedge detect --escalate``: consent, options, and what is told of a second opinion."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dfedge import Escalated, EscalationOptions
from dfedge.analysis import Analysis, Progress
from dfedge.cli import main
from dfedge.cli.consent import consent_file, describe
from dfedge.cli.progress import ProgressBar
from dfedge.escalation.wire import Thresholds
from dfedge.verdict import Label, ModelInfo, Opinion, Reason

SERVER = "https://dfedge.example.org"


class Terminal(io.StringIO):
    """Text that comes from, or goes to, somebody who looks."""

    def isatty(self) -> bool:
        """Always."""
        return True


@pytest.fixture(autouse=True)
def _own_surroundings(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DFEDGE_ESCALATE_CONSENT", raising=False)
    monkeypatch.setenv("DFEDGE_API_KEY", "dfe_0123_secret")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``terminal(text)``: the user types the text; what they are told."""

    def typing(text: str) -> Terminal:
        told = Terminal()
        monkeypatch.setattr("sys.stdin", Terminal(text))
        monkeypatch.setattr("sys.stderr", told)
        return told

    return typing


def detect(clips: Path, *options: str, name: str = "unsure.mp4") -> int:
    """Run the command."""
    return main(["detect", str(clips / name), *options])


def test_nothing_is_sent_without_consent(
    clips: Path, fake_detector: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where nobody can be asked, the command ends before it looks at anything."""
    assert detect(clips, "--escalate", SERVER) == 2
    error = capsys.readouterr().err
    assert f"nothing is sent to {SERVER} without consent" in error
    assert "--yes" in error
    assert fake_detector.opened == []


@pytest.mark.parametrize("how", ["--yes", "environment"])
def test_a_script_agrees_by_an_option_or_the_environment(
    clips: Path, fake_detector: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """For this run only: nothing is remembered."""
    if how == "environment":
        monkeypatch.setenv("DFEDGE_ESCALATE_CONSENT", "1")
    assert detect(clips, "--escalate", SERVER, *(["--yes"] if how == "--yes" else [])) == 0
    assert fake_detector.opened[0]["escalate"] == EscalationOptions(
        SERVER, api_key="dfe_0123_secret"
    )
    assert not consent_file().exists()


def test_on_a_terminal_the_user_is_asked_once(
    clips: Path, terminal: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """And told exactly what would be sent."""
    told = terminal("y\n")
    assert detect(clips, "--escalate", SERVER) == 0
    assert f"Send this to {SERVER}? [y/N]" in told.getvalue()
    assert "pictures of the faces" in told.getvalue()
    told = terminal("")
    assert detect(clips, "--escalate", SERVER) == 0
    assert "[y/N]" not in told.getvalue()


@pytest.mark.parametrize(
    "more",
    [
        ["--escalate-what", "clip"],
        ["--escalate-when", "always"],
        ["--send-name"],
        ["--escalate-allow-http"],
    ],
)
def test_more_than_was_agreed_to_is_asked_about(
    clips: Path, terminal: Any, more: list[str]
) -> None:
    """Agreeing to crops is not agreeing to the clip."""
    terminal("y\n")
    assert detect(clips, "--escalate", SERVER) == 0
    told = terminal("n\n")
    assert detect(clips, "--escalate", SERVER, *more) == 2
    assert "[y/N]" in told.getvalue()


def test_another_server_is_asked_about(clips: Path, terminal: Any) -> None:
    """Consent is for one server."""
    terminal("y\n")
    assert detect(clips, "--escalate", SERVER) == 0
    terminal("y\n")
    assert detect(clips, "--escalate", "https://other.example.org") == 0
    assert set(json.loads(consent_file().read_text())) == {SERVER, "https://other.example.org"}


@pytest.mark.parametrize("typed", ["", "n\n", "\n", "perhaps\n"])
def test_anything_but_yes_is_no(clips: Path, fake_detector: Any, terminal: Any, typed: str) -> None:
    """Nothing is judged, nothing remembered."""
    told = terminal(typed)
    assert detect(clips, "--escalate", SERVER) == 2
    assert "nothing was sent" in told.getvalue()
    assert (fake_detector.opened, consent_file().exists()) == ([], False)


@pytest.mark.parametrize("content", ["", "[]", '{"https://dfedge.example.org": true}', "{"])
def test_a_spoilt_memory_asks_again(clips: Path, terminal: Any, content: str) -> None:
    """It is no consent."""
    consent_file().parent.mkdir(parents=True)
    consent_file().write_text(content)
    told = terminal("n\n")
    assert detect(clips, "--escalate", SERVER) == 2
    assert "[y/N]" in told.getvalue()


def test_what_would_be_sent_is_told_exactly() -> None:
    """Each option changes the words."""
    few = " ".join(describe(EscalationOptions(SERVER)).split())
    assert "no file name" in few
    assert "this machine is unsure of" in few
    assert "neither the rest of the frame nor the sound" in few
    much = EscalationOptions(SERVER, what="clip", when="always", send_name=True, keep=False)
    told = " ".join(describe(much).split())
    assert "the whole file as it is, with its sound" in told
    assert "the name of the file, without its folder" in told
    assert "asked to delete" in told
    assert "finds a face in" in told


def test_options_reach_the_detector(clips: Path, fake_detector: Any, tmp_path: Path) -> None:
    """Each option by its value; the key from a file."""
    key = tmp_path / "key"
    key.write_text("dfe_9_file\n")
    options = "--escalate http://far.example.org --escalate-what clip --escalate-when always"
    options += " --escalate-timeout 7 --escalate-no-keep --escalate-allow-http --send-name --yes"
    assert detect(clips, *options.split(), "--api-key-file", str(key)) == 0
    assert fake_detector.opened[0]["escalate"] == EscalationOptions(
        "http://far.example.org",
        api_key="dfe_9_file",
        what="clip",
        when="always",
        send_name=True,
        keep=False,
        timeout_seconds=7.0,
        allow_http=True,
    )


@pytest.mark.parametrize(
    "option",
    [
        "--api-key-file key",
        "--escalate-what clip",
        "--escalate-when always",
        "--escalate-timeout 5",
        "--escalate-no-keep",
        "--escalate-allow-http",
        "--send-name",
        "--yes",
    ],
)
def test_an_option_without_a_server_is_a_mistake(
    clips: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    """It would have no effect."""
    assert detect(clips, *option.split()) == 2
    assert f"{option.split()[0]}: this says how to escalate" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"two\nlines"])
def test_a_key_file_that_holds_no_key_ends_with_2(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    """The file is named, its content is not."""
    key = tmp_path / "key"
    if content is not None:
        key.write_bytes(content)
    options = ["--escalate", SERVER, "--yes", "--api-key-file", str(key)]
    assert detect(clips, *options) == 2
    error = capsys.readouterr().err
    assert str(key) in error
    assert "lines" not in error.replace("one line", "")


def fused(analysis: Analysis) -> Analysis:
    """The analysis as if a server had said FAKE."""
    edge = Opinion(model="tiny-detector", tier="edge", label=Label.UNCERTAIN, fake_probability=0.5)
    heavy = Opinion(model="heavy-one", tier="heavy", label=Label.FAKE, fake_probability=0.77)
    model = ModelInfo(name="heavy-one", version="2.0.0", sha256="cd" * 32, role="heavy")
    verdict = msgspec.structs.replace(
        analysis.verdict,
        label=Label.FAKE,
        fake_probability=0.7,
        confidence=0.7,
        reasons=(Reason.SCORE_ABOVE_FAKE_THRESHOLD,),
        opinions=(edge, heavy),
        models=(*analysis.verdict.models, model),
    )
    came = Escalated(
        SERVER,
        href=f"{SERVER}/v1/escalations/1",
        notes=("No heavier model is installed.",),
        thresholds=Thresholds(real=0.25, fake=0.65),
    )
    return replace(analysis, verdict=verdict, escalation=came)


def test_each_opinion_is_told(
    clips: Path, fake_detector: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the thresholds of the fused verdict, and on stderr where it can be looked up."""
    fake_detector.table["unsure.mp4"] = fused(fake_detector.table["unsure.mp4"])
    assert detect(clips, "--escalate", SERVER, "--yes") == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert "  FAKE  Looks fake, P(fake) 70%, confidence 70%" in lines
    assert "at 70%; from 65% on they say FAKE." in " ".join(out.split())
    assert "  tiny-detector UNCERTAIN    50%  this machine" in lines
    assert "  heavy-one     FAKE         77%  server" in lines
    assert f"second opinion by {SERVER}/v1/escalations/1" in err
    assert "No heavier model is installed." in err


def test_a_note_is_told_once(
    clips: Path, fake_detector: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """However many inputs it is about; with --quiet not at all."""
    for name in ("unsure.mp4", "fake.mp4"):
        fake_detector.table[name] = fused(fake_detector.table[name])
    paths = [str(clips / name) for name in ("unsure.mp4", "fake.mp4")]
    main(["detect", *paths, "--escalate", SERVER, "--yes"])
    assert capsys.readouterr().err.count("No heavier model is installed.") == 1
    main(["detect", *paths, "--escalate", SERVER, "--yes", "--quiet"])
    assert capsys.readouterr().err == ""


def test_a_server_that_is_away_is_told_and_changes_no_code(
    clips: Path, fake_detector: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The device's verdict on stdout, why and where to look later on stderr, also with --quiet."""
    analysis = fake_detector.table["unsure.mp4"]
    verdict = msgspec.structs.replace(
        analysis.verdict, reasons=(*analysis.verdict.reasons, Reason.ESCALATION_FAILED)
    )
    href = f"{SERVER}/v1/escalations/1"
    came = Escalated(SERVER, href=href, problem=f"{SERVER}: broke off without an answer")
    fake_detector.table["unsure.mp4"] = replace(analysis, verdict=verdict, escalation=came)
    assert detect(clips, "--escalate", SERVER, "--yes", "--quiet") == 0
    out, err = capsys.readouterr()
    assert "The server gave no second opinion" in out
    assert "broke off without an answer; the verdict is this machine's own" in err
    assert f"The server may still answer: {href}" in err


def test_the_report_shows_each_opinion(clips: Path, fake_detector: Any) -> None:
    """A row a model, with where it ran; without a server there is no such table."""
    report = clips.parent / "report.html"
    detect(clips, "--report", str(report))
    assert "opinions</h3>" not in report.read_text()
    fake_detector.table["unsure.mp4"] = fused(fake_detector.table["unsure.mp4"])
    detect(clips, "--report", str(report), "--escalate", SERVER, "--yes")
    html = report.read_text()
    assert "2 opinions</h3>" in html
    assert "<td>heavy-one</td>" in html
    assert "P(fake) 77%" in html
    assert "FAKE from 65%" in html


def test_the_bar_says_that_the_server_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """And names the input that is worked on, also while another's answer is awaited."""
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("COLUMNS", "100")
    with ProgressBar(["a.mp4", "b.mp4"], quiet=False) as bar:
        bar.update(Progress("frames", 1, 20, "a.mp4"))
        bar.update(Progress("frames", 1, 20, "b.mp4"))
        bar.update(Progress("server", 0, None, "a.mp4"))
    shown = screen.getvalue()
    assert "[2/2] b.mp4" in shown
    assert "[1/2] a.mp4: waiting for the server" in shown
