"""The command line as a whole."""

from __future__ import annotations

import argparse
import importlib
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any, get_args

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
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["detect", "--sam"], ["--sampling"]),
        (["detect", "--sampling", ""], ["even", "scene", "fast"]),
        (["detect", "cl"], ["clip.mp4"]),
        (["detect", "--report", "cl"], ["clip.mp4"]),
        (["wa"], ["watch"]),
    ],
)
def test_completion_for_bash_completes(
    words: list[str], offered: list[str], tmp_path: Path
) -> None:
    """bash reads the script and offers commands, options, choices and files."""
    (tmp_path / "clip.mp4").touch()
    script = subprocess.run(
        [sys.executable, "-m", "dfedge", "completion", "bash"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    line = " ".join(f"'{word}'" for word in ("dfedge", *words))
    ask = (
        f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; "
        f"_shtab_dfedge dfedge '{words[-1]}' '{['dfedge', *words][-2]}'; echo ${{COMPREPLY[@]}}"
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", script + "\n" + ask],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.split() == offered


def test_files_complete_as_shtab_says() -> None:
    """The names of its functions are written out in the parser to keep it light."""
    import shtab

    action = next(a for a in _parser_of("detect")._actions if a.dest == "paths")
    assert action.complete == {  # type: ignore[attr-defined]
        shell: shtab.FILE[shell] for shell in SHELLS
    }


def _parser_of(command: str) -> argparse.ArgumentParser:
    """The parser of one subcommand."""
    for action in build_parser()._actions:
        if isinstance(action.choices, dict):
            parser: argparse.ArgumentParser = action.choices[command]
            return parser
    raise AssertionError("there are no subcommands")


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
def test_completion_for_fish_completes() -> None:
    """fish reads the script and offers the options that begin as typed."""
    script = subprocess.run(
        [sys.executable, "-m", "dfedge", "completion", "fish"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    done = subprocess.run(
        ["fish", "--no-config", "-c", script + "\ncomplete -C 'dfedge detect --sam'"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\t")[0] == "--sampling"


def test_an_unknown_shell_is_refused_with_those_there_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown to us, or to an older shtab than ours."""
    assert main(["completion", "nushell"]) == 2
    assert "powershell" in capsys.readouterr().err
    monkeypatch.setattr("shtab.SUPPORTED_SHELLS", ["bash", "zsh", "tcsh"])
    assert main(["completion", "fish"]) == 2
    assert "pip install --upgrade shtab" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "code", "words"),
    [("server", 2, "pip install 'dfedge[server]'"), (None, 70, "a bug in dfedge")],
)
def test_a_command_whose_extra_is_missing_names_it(
    extra: str | None,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A module that is missing is the extra's for a command that has one, and a bug otherwise."""

    def run(args: argparse.Namespace) -> int:
        return len(importlib.import_module("no_such_module_anywhere").__name__)

    def add_parser(subparsers: Any) -> None:
        subparsers.add_parser("fetch", help="test").set_defaults(handler=run, extra=extra)

    module = types.ModuleType("a_command_of_another_package")
    vars(module)["add_parser"] = add_parser
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("dfedge.cli.COMMANDS", (module.__name__,))
    assert main(["fetch"]) == code
    assert words in capsys.readouterr().err


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
