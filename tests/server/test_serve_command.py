"""``dfedge serve`` as its operator sees it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from tests.server.conftest import START_SECONDS, LiveServer, StartServer, environment

from dfedge.cli import main
from dfedge_server.settings import Settings

NO_DATABASE = "postgresql+psycopg://nobody@127.0.0.1:1/none"


def _serve(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    """A server that cannot start: what it printed."""
    return subprocess.run(
        [sys.executable, "-m", "dfedge", "serve", *words],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _told(ended: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    """Exit code and the one line."""
    (line,) = ended.stderr.splitlines()
    return ended.returncode, line


def _wait_for_words(server: LiveServer, words: str) -> None:
    """Until the server has printed them; it answers before it has said all."""
    end = time.monotonic() + START_SECONDS
    while words not in (printed := server.log.read_text()):
        assert time.monotonic() < end, printed
        time.sleep(0.1)


def test_one_command_serves(live_server: StartServer) -> None:
    """It says where it listens, where data lies, which model answers and how to make a key; it
    refuses a second server in its folder and on its port; and it ends by SIGTERM."""
    server = live_server()
    assert httpx.codes.OK == httpx.get(f"{server.url}/ready").status_code
    for words in (
        f"listens on {server.url}",
        f"SQLite in {server.settings.data_dir}",
        "No heavier model is installed",
        f"dfedge keys create --data-dir {server.settings.data_dir}",
    ):
        _wait_for_words(server, words)
    code, line = _told(_serve(server.settings, "--port", "0"))
    assert 2 == code
    assert "another server works in this folder" in line
    assert 0 == server.stop()
    assert "stopping" in server.log.read_text()


def test_a_taken_port_is_told(settings: Settings) -> None:
    """The option at fault is named."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, line = _told(_serve(settings, "api", "--port", port))
    assert 2 == code
    assert f"dfedge: --port {port}: another program listens there; name another port" == line


def test_a_database_that_is_away_is_told(settings: Settings) -> None:
    """Not a traceback, and not a server that fails every request."""
    away = Settings(data_dir=settings.data_dir, database_url=NO_DATABASE)
    code, line = _told(_serve(away, "worker"))
    assert 2 == code
    assert "database_url" in line
    assert "Connection refused" in line


def test_ctrl_c_ends_a_worker(live_server: StartServer) -> None:
    """Ctrl-C is SIGINT, and is what SIGTERM is."""
    server = live_server()
    server.process.send_signal(signal.SIGINT)
    assert 0 == server.process.wait(60)


def test_the_check_of_a_sound_server(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every part is looked at, and the models judge a picture."""
    code, found = _check(["--data-dir", str(settings.data_dir), "--json"], capsys)
    assert "dfedge.server-check/1" == found["schema"]
    states = {one["name"]: one["state"] for one in found["checks"]}
    assert {"settings", "database", "storage", "models", "disk", "clock"} == set(states)
    assert ("ok", "ok", "warning") == (states["storage"], states["models"], states["database"])
    assert 1 == code  # no database yet: serve makes it
    assert [] == [path for path in (settings.data_dir / "media").rglob("*") if path.is_file()]


def test_the_check_of_a_broken_server(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot work is named, the rest is still looked at, and the exit code is 2."""
    monkeypatch.setenv("DFEDGE_SERVER_DATABASE_URL", NO_DATABASE)
    monkeypatch.setenv("DFEDGE_SERVER_MODELS", '["no-such-model"]')
    code, found = _check(["--data-dir", str(settings.data_dir), "--json"], capsys)
    told = {one["name"]: one for one in found["checks"]}
    assert (2, "failed") == (code, found["state"])
    assert "Connection refused" in told["database"]["text"]
    assert "no-such-model" in told["models"]["text"]
    assert "ok" == told["storage"]["state"]


def _check(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict]:  # type: ignore[type-arg]
    code = main(["serve", "check", *words])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_is_a_number(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake on the command line is told at once."""
    assert 2 == main(["serve", "--port", port])
    assert "is not a port from 0 to 65535" in capsys.readouterr().err


def test_a_settings_file_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is not there, or names no setting, is told."""
    assert 2 == main(["serve", "check", "--config", str(tmp_path / "none.toml")])
    assert "there is no such file" in capsys.readouterr().err
