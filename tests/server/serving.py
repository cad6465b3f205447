"""A real server for a whole module of tests; ``live_server`` starts one for a single test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dfedge_server.settings import Settings

from .conftest import LiveServer, environment, free_port, wait_for_answer


@contextmanager
def serving(folder: Path, *words: str, ready: bool = True, **settings: Any) -> Iterator[LiveServer]:
    """``dfedge serve WORDS`` with its data in a folder, up and ready; killed at the end."""
    chosen = Settings(
        data_dir=folder / "server",
        port=free_port(),
        requests_per_minute=1_000_000,
        log_format="json",
        **settings,
    )
    log = folder / "log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dfedge", "serve", *words],
            env=environment(chosen) | {"DFEDGE_HOME": str(folder / "home")},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = LiveServer(f"http://127.0.0.1:{chosen.port}", chosen, process, log)
    try:
        probe = "/ready" if ready else "/health"
        wait_for_answer(f"{server.url}{probe}", process, "dfedge serve", log)
        yield server
    finally:
        server.kill()
