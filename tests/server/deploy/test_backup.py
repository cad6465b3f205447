"""What the operations page says of backups, done: with SQLite and a folder, and with PostgreSQL."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from PIL import Image
from tests.server.conftest import StartServer, with_settings

from dfedge.escalation import wire
from dfedge_server.settings import Settings

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def submit(client: httpx.Client) -> tuple[str, bytes]:
    """Ask for a verdict on a crop; its id, and the crop."""
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(picture, "PNG")
    crop = wire.Crop(
        part="face.png",
        track_id=0,
        frame_index=0,
        pts_seconds=0.0,
        frame_width=640,
        frame_height=480,
        left=0,
        top=0,
        box=(16.0, 16.0, 48.0, 48.0),
        detection_score=0.9,
    )
    manifest = wire.Submission(kind="crops", crops=(crop,), frames_sampled=1)
    files = {
        "manifest": ("m.json", msgspec.json.encode(manifest), "application/json"),
        "face.png": ("face.png", picture.getvalue(), "image/png"),
    }
    answer = client.post("/v1/escalations", files=files)
    assert 202 == answer.status_code, answer.text
    return answer.json()["id"], picture.getvalue()


def test_a_folder_that_was_backed_up_while_it_was_served_serves_again(
    live_server: StartServer, settings: Settings, deploy: Path, tmp_path: Path
) -> None:
    """Keys, escalations and media are all in the copy."""
    first = live_server("api", ready=False)
    key = first.key()
    with httpx.Client(base_url=first.url, headers=key.headers, timeout=60) as client:
        escalation, crop = submit(client)
        target = tmp_path / "backup"
        command = [sys.executable, deploy / "backup.py", settings.data_dir, target]
        subprocess.run(command, check=True)
    first.kill()
    shutil.rmtree(settings.data_dir)
    again = live_server("api", ready=False, settings=with_settings(settings, data_dir=target))
    with httpx.Client(base_url=again.url, headers=key.headers, timeout=60) as client:
        assert "queued" == client.get(f"/v1/escalations/{escalation}").json()["state"]
        assert crop == client.get(f"/v1/escalations/{escalation}/media/face.png").content


def test_a_dump_of_postgresql_restores_rows_and_queue(
    live_server: StartServer,
    settings: Settings,
    postgres: Callable[[], str],
    s3: dict[str, Any],
    tmp_path: Path,
) -> None:
    """``pg_dump`` of the one database has everything but the media, which the bucket keeps."""
    if not (POSTGRES and (POSTGRES[-1] / "pg_dump").exists()):
        pytest.skip("pg_dump is not installed")
    source, target = postgres(), postgres()
    first = live_server("api", ready=False, database_url=source, **s3)
    key = first.key()
    with httpx.Client(base_url=first.url, headers=key.headers, timeout=60) as client:
        escalation, crop = submit(client)
    first.kill()
    dump = tmp_path / "dfedge.dump"
    plain = [url.replace("+psycopg", "") for url in (source, target)]
    run = [POSTGRES[-1] / "pg_dump", "--format=custom", f"--file={dump}", plain[0]]
    subprocess.run(run, check=True)
    run = [POSTGRES[-1] / "pg_restore", "--exit-on-error", f"--dbname={plain[1]}", dump]
    subprocess.run(run, check=True)
    again = live_server("api", ready=False, database_url=target, **s3)
    with httpx.Client(base_url=again.url, headers=key.headers, timeout=60) as client:
        assert "queued" == client.get(f"/v1/escalations/{escalation}").json()["state"]
        assert crop == client.get(f"/v1/escalations/{escalation}/media/face.png").content
