"""``dfedge models pull``: asked first, downloaded, imported, and nothing left behind."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra 'tools'")
pytest.importorskip("timm", reason="needs the extra 'tools'")
pytest.importorskip("onnx", reason="needs the extra 'tools'")
pytest.importorskip("onnxscript", reason="needs the extra 'tools'")
pytest.importorskip("onnxsim", reason="needs the extra 'tools'")

import torch

import dfedge_models
from dfedge.bundles.store import resolve_detector
from dfedge.cli import main
from dfedge_tools.commands import models_pull
from dfedge_tools.importing import download
from dfedge_tools.importing.catalogue import CATALOGUE

Server = Any  # FileServer of conftest.py, which tests do not import
Output = pytest.CaptureFixture[str]
NAME = "ms-eff-gcvit-b0-kodf"


@pytest.fixture
def weights(server: Server, official_state: Any, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server holds a small b0 checkpoint, and b0 is made small."""
    create = dfedge_models.create
    monkeypatch.setattr(dfedge_models, "create", lambda name: create(name, img_size=64))
    content = io.BytesIO()
    torch.save(official_state(dfedge_models.create("ms_eff_gcvit_b0")), content)
    server.content = content.getvalue()
    return server


def pull(server: Server, *more: str, name: str = NAME) -> int:
    """The command's exit code, the server taking the publisher's place."""
    return main(["models", "pull", name, "--url", server.url, "--quiet", *more])


def downloads(home: Path) -> list[str]:
    """Names of the downloaded files that are still here."""
    return sorted(path.name for path in (home / "downloads").rglob("*") if path.is_file())


def test_a_checkpoint_is_fetched_imported_and_removed(
    weights: Server, home: Path, capsys: Output
) -> None:
    """The licence is shown before, the card names the address, and the hash is remembered."""
    weights.cut_after = [1_000_000]
    assert 0 == pull(weights, "--yes", "--json")
    said = capsys.readouterr()
    assert "licence       MIT" in said.err
    values = json.loads(said.out)
    assert weights.sha256 == values["source_sha256"]
    _, card = resolve_detector(NAME)
    assert weights.url == card.provenance.source_url
    assert [] == downloads(home)
    pins = json.loads((home / "checkpoints.json").read_text(encoding="utf-8"))
    assert (weights.sha256, weights.url) == (pins[NAME]["sha256"], pins[NAME]["source"])


def test_a_file_that_does_not_fit_is_kept(server: Server, home: Path, capsys: Output) -> None:
    """So that it need not be fetched again, and the message says where it is."""
    assert 2 == pull(server, "--yes")
    said = capsys.readouterr().err
    assert "is no file of plain torch weights" in said
    assert ["weights.bin"] == downloads(home)
    assert str(next((home / "downloads").iterdir()) / "weights.bin") in said
    assert 2 == pull(server, "--yes")
    assert 1 == len(server.requests)


def test_a_changed_file_is_refused_after_the_download(
    server: Server, home: Path, capsys: Output
) -> None:
    """The first file used under the name is held to, wherever the next comes from."""
    home.mkdir()
    pin = {"sha256": "0" * 64, "size_bytes": 5, "source": "w.bin", "recorded": "2026-11-21"}
    (home / "checkpoints.json").write_text(json.dumps({NAME: pin}), encoding="utf-8")
    assert 2 == pull(server, "--yes")
    assert "run the same command with --accept-changed" in capsys.readouterr().err


def test_without_a_yes_nothing_is_fetched(
    server: Server, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question names what is agreed to; only y and yes count."""
    monkeypatch.setattr(models_pull, "is_terminal", lambda stream: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert 2 == pull(server)
    said = capsys.readouterr().err
    assert "under this licence? [y/N]" in said
    assert "nothing was downloaded" in said
    assert [] == server.requests


def test_a_yes_is_enough(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the file is asked for."""
    monkeypatch.setattr(models_pull, "is_terminal", lambda stream: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert 2 == pull(server)  # what the server has is no checkpoint
    assert 1 == len(server.requests)


def test_where_nobody_can_be_asked_yes_must_be_given(
    server: Server, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script must say that it agrees."""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert 2 == pull(server)
    assert "stdin is no terminal; add --yes" in capsys.readouterr().err
    assert [] == server.requests


def test_ctrl_c_says_that_the_same_command_goes_on(
    server: Server, home: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 130, and the part is kept."""

    def interrupt(transfer: Any, wait: Any) -> None:
        transfer.part.write_bytes(b"begun")
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_until_whole", interrupt)
    assert 130 == pull(server, "--yes")
    assert "the same command goes on from there" in capsys.readouterr().err
    assert ["weights.bin.part"] == downloads(home)


def test_keep_keeps_the_file(server: Server, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For another import, with other thresholds for example."""
    monkeypatch.setattr(models_pull, "run_import", lambda *given, **options: None)
    assert 0 == pull(server, "--yes", "--keep")
    assert ["weights.bin"] == downloads(home)
    assert 0 == pull(server, "--yes")
    assert [] == downloads(home)


@pytest.mark.parametrize("name", [entry.name for entry in CATALOGUE.values() if entry.url is None])
def test_where_no_address_is_known_it_says_where_to_look(name: str, capsys: Output) -> None:
    """None is made up."""
    assert 2 == main(["models", "pull", name, "--yes"])
    error = capsys.readouterr().err
    assert "no official address of its file could be verified" in error
    assert CATALOGUE[name].page in error
    assert f"dfedge models import {name} --checkpoint FILE" in error


def test_a_hostile_file_name_stays_in_its_folder(
    server: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last part of an address is not trusted with the place of the file."""
    server.url = server.url.replace("weights.bin", "..%2F..\\x?name=y")
    monkeypatch.setattr(models_pull, "run_import", lambda *given, **options: None)
    assert 0 == pull(server, "--yes", "--keep")
    assert ["_2F.._x"] == downloads(home)
