"""The command line as a whole."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import get_args

import pytest

from dfedge import __version__
from dfedge.cli import build_parser, main
from dfedge.cli.completion import SHELLS
from dfedge.cli.options import DEVICES, FACE_BACKENDS, SAMPLINGS


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """``dfedge --version``."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"dfedge {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["--nothing"]])
def test_an_unknown_command_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Usage on stderr, nothing on stdout."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("usage: dfedge COMMAND")


def test_help_and_mistakes_answer_without_heavy_imports() -> None:
    """The parser is built from words: no OpenCV, no decoder, no runtime, no template engine."""
    code = "import sys, dfedge.cli; dfedge.cli.build_parser(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    heavy = {"cv2", "av", "onnxruntime", "PIL", "jinja2", "tqdm", "shtab"}
    assert loaded & heavy == set()


def test_options_offer_what_the_sdk_takes() -> None:
    """The choices are written out in the parser to keep it light; they may not drift."""
    from dfedge.detector import FaceBackend
    from dfedge.media import Sampling
    from dfedge.runtime import Device

    assert set(SAMPLINGS) == set(get_args(Sampling)) - {"live"}
    assert set(DEVICES) == set(get_args(Device))
    assert set(FACE_BACKENDS) == set(get_args(FaceBackend))


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_knows_commands_and_options(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is made from the parser itself."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("detect", "watch", "models", "sampling", "fail-on"):
        assert word in script


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_completion_for_bash_completes() -> None:
    """bash reads the script and offers the options that begin as typed."""
    script = subprocess.run(
        [sys.executable, "-m", "dfedge", "completion", "bash"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    ask = (
        "COMP_WORDS=(dfedge detect --sam); COMP_CWORD=2; "
        "_shtab_dfedge dfedge --sam detect; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script + "\n" + ask], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["--sampling"]


def test_fish_is_refused_with_the_shells_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """And the help says so."""
    assert main(["completion", "fish"]) == 2
    assert "bash" in capsys.readouterr().err
    main(["completion", "--help"])
    assert "fish is not supported" in capsys.readouterr().out


def test_every_option_has_help() -> None:
    """No option of any command is left unexplained."""
    parser = build_parser()
    waiting = [parser]
    while waiting:
        current = waiting.pop()
        for action in current._actions:
            assert action.help or action.dest == "==SUPPRESS==" or action.choices, (
                current.prog,
                action.dest,
            )
            if isinstance(action.choices, dict):
                waiting.extend(action.choices.values())
