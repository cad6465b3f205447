"""The one pipe of all log lines."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from dfedge_server.settings import Settings
from dfedge_server.telemetry.logging import configure


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    logging.getLogger("dbos").handlers.clear()


def _settings(tmp_path: Path, **more: str) -> Settings:
    return Settings(data_dir=tmp_path, **more)  # type: ignore[arg-type]


def test_lines_of_all_loggers_are_json(tmp_path: Path) -> None:
    """Ours, the standard library's and DBOS's lines have the same form, each once."""
    out = io.StringIO()
    configure(_settings(tmp_path, log_format="json"), out)
    structlog.get_logger("ours").info("made", answer=42)
    logging.getLogger("theirs").warning("heard of %s", "it")
    logging.getLogger("dbos").warning("recovering")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [("ours", "made"), ("theirs", "heard of it"), ("dbos", "recovering")] == [
        (line["logger"], line["event"]) for line in lines
    ]
    assert 42 == lines[0]["answer"]
    assert all(line["timestamp"].endswith("Z") for line in lines)


@pytest.mark.parametrize("form", ["json", "text"])
def test_exceptions_are_told_without_secrets(tmp_path: Path, form: str) -> None:
    """A traceback is there, local variables and secrets in messages are not."""
    out = io.StringIO()
    configure(_settings(tmp_path, log_format=form), out)
    secrets = ["ann:pass", "clip", "abc"]
    try:
        raise ValueError("cannot fetch https://{}@host/{}.mp4?token={}".format(*secrets))
    except ValueError:
        structlog.get_logger("ours").exception("failed")
    text = out.getvalue()
    assert "test_exceptions_are_told_without_secrets" in text
    assert "https://host/..." in text
    assert [] == [secret for secret in secrets if secret in text]


def test_level_holds_for_all(tmp_path: Path) -> None:
    """Under the level of the settings nothing is told, and uvicorn's own access lines never."""
    out = io.StringIO()
    configure(_settings(tmp_path, log_level="warning", log_format="json"), out)
    structlog.get_logger("ours").info("no")
    logging.getLogger("theirs").info("no")
    logging.getLogger("uvicorn.access").error("GET /?key=secret")
    assert "" == out.getvalue()
