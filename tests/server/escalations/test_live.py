"""End to end: a real server process, the model that ships, a made clip."""

from __future__ import annotations

from pathlib import Path

import httpx
import msgspec
from tests.server.conftest import LiveServer, StartServer

from dfedge.escalation.wire import Escalation, State
from dfedge.verdict import Label
from dfedge_server.security.principal import Scope

MANIFEST = msgspec.json.encode({"kind": "clip", "name": "portrait.mp4", "frames": 6})


def _send(client: httpx.Client, clip: Path, prefer: str) -> httpx.Response:
    files = [
        ("manifest", ("manifest", MANIFEST, "application/json")),
        ("clip", ("clip", clip.read_bytes(), "text/plain")),
    ]
    return client.post("/v1/escalations", files=files, headers={"Prefer": prefer})


def _events(client: httpx.Client, escalation: Escalation) -> list[str]:
    with client.stream("GET", f"/v1/escalations/{escalation.id}/events") as stream:
        lines = list(stream.iter_lines())
    return [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]


def test_a_clip_becomes_a_verdict_and_can_be_deleted(
    live_server: StartServer, portrait_clip: Path
) -> None:
    """Sent, followed, judged with evidence, judged once, reviewed, deleted from the disk too."""
    server: LiveServer = live_server()
    with server.client(Scope.ESCALATE, Scope.READ) as client:
        sent = _send(client, portrait_clip, "wait=0")
        assert 202 == sent.status_code, sent.text
        escalation = msgspec.json.decode(sent.content, type=Escalation)
        assert "end" == _events(client, escalation)[-1]
        told = msgspec.json.decode(client.get(sent.headers["location"]).content, type=Escalation)
        assert State.DONE is told.state
        assert told.verdict is not None
        assert told.verdict.label in (Label.REAL, Label.FAKE, Label.UNCERTAIN)
        assert "heavy" in {opinion.tier for opinion in told.verdict.opinions}
        for picture in told.evidence:
            got = client.get(picture.href)
            assert (200, picture.media_type) == (got.status_code, got.headers["content-type"])
        part = client.get(told.media[0].href, headers={"Range": "bytes=4-7"})
        assert (206, b"ftyp") == (part.status_code, part.content)

        again = _send(client, portrait_clip, "wait=1")
        assert (200, True) == (again.status_code, again.json()["reused"])

        models = client.get("/v1/models").json()
        assert models["models"], models
        assert all(model["loaded"] for model in models["models"])

        for one in (sent, again):
            gone = client.delete(f"/v1/escalations/{one.json()['id']}")
            assert 204 == gone.status_code
    media = server.settings.data_dir / "media"
    assert [] == [path for path in media.rglob("*") if path.is_file()]
    assert 0 == server.stop()
