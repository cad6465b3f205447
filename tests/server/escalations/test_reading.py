"""Looking, waiting, following, listing, and fetching evidence and media."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from tests.server.escalations.conftest import Api, clip_bytes, picture_bytes

from dfedge.escalation.wire import Escalation as Told
from dfedge.escalation.wire import ModelState, Stage, State
from dfedge.verdict import Label
from dfedge_server.db.models import Worker
from dfedge_server.escalations import progress
from dfedge_server.security.principal import Scope

pytestmark = pytest.mark.anyio


async def _sent(api: Api, seed: int = 0, **manifest: Any) -> str:
    answer = await api.send_clip(clip_bytes(seed=seed), **manifest)
    assert 202 == answer.status_code, answer.text
    return str(answer.json()["id"])


async def test_what_is_told_of_a_finished_escalation(api: Api) -> None:
    """It reads back as the type the SDK knows, with verdict, evidence, media and notes."""
    escalation = await _sent(api, name="talk.mp4")
    await api.finish(escalation)
    answer = await api.ask("GET", f"/v1/escalations/{escalation}")
    told = msgspec.json.decode(answer.content, type=Told)
    assert (State.DONE, "done") == (told.state, told.stage.name)
    assert told.verdict is not None
    assert Label.FAKE == told.verdict.label
    assert ("No heavier model is installed.",) == told.notes
    assert [f"{told.href}/media/clip"] == [media.href for media in told.media]
    picture = await api.ask("GET", told.evidence[0].href)
    assert (200, picture_bytes()) == (picture.status_code, picture.content)
    assert "image/png" == picture.headers["content-type"]
    assert "retry-after" not in answer.headers


async def test_a_failed_one_tells_its_problem(api: Api) -> None:
    """And no verdict."""
    escalation = await _sent(api)
    problem = {"title": "x", "status": 422, "detail": "It is broken.", "code": "media_unreadable"}
    await api.change(escalation, state="failed", problem=problem)
    told = (await api.ask("GET", f"/v1/escalations/{escalation}")).json()
    assert ("failed", None) == (told["state"], told["verdict"])
    assert "media_unreadable" == told["problem"]["code"]


async def test_jobs_before_it_are_counted(api: Api) -> None:
    """While it waits."""
    await _sent(api, seed=1)
    second = await _sent(api, seed=2)
    told = (await api.ask("GET", f"/v1/escalations/{second}")).json()
    assert 1 == told["queue_position"]
    await api.change(second, state="running")
    told = (await api.ask("GET", f"/v1/escalations/{second}")).json()
    assert None is told["queue_position"]


@pytest.mark.parametrize("path", ["", "/events", "/evidence/0", "/media/clip"])
async def test_another_tenants_is_not_there(api: Api, path: str) -> None:
    """404, as for one that never was."""
    escalation = await _sent(api)
    await api.finish(escalation)
    other = api.make_key(tenant="other").headers
    for identity in (escalation, uuid4()):
        answer = await api.ask("GET", f"/v1/escalations/{identity}{path}", headers=other)
        assert (404, "not_found") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/cancel"),
        ("DELETE", ""),
        ("POST", "/feedback"),
        ("POST", "/overrides"),
    ],
)
async def test_another_tenants_cannot_be_changed(api: Api, method: str, path: str) -> None:
    """404 as well, and it stays as it was."""
    escalation = await _sent(api)
    other = api.make_key(tenant="other").headers
    body = {"json": {"mistake": "correct"}} if path == "/feedback" else {}
    body = {"json": {"label": "REAL"}} if path == "/overrides" else body
    answer = await api.ask(method, f"/v1/escalations/{escalation}{path}", headers=other, **body)
    assert 404 == answer.status_code
    assert "queued" == (await api.ask("GET", f"/v1/escalations/{escalation}")).json()["state"]


async def test_prefer_wait_answers_with_the_verdict(api: Api) -> None:
    """200 with Preference-Applied, as soon as it has ended."""

    async def work() -> None:
        while not (rows := await api.escalations()):
            await asyncio.sleep(0.01)
        await api.finish(str(rows[0].id))

    answer, _ = await asyncio.gather(
        api.send_clip(clip_bytes(), {"Prefer": "respond-async, wait=50"}), work()
    )
    assert 200 == answer.status_code
    assert "wait=50" == answer.headers["preference-applied"]
    assert "FAKE" == answer.json()["verdict"]["label"]


async def test_waiting_ends_when_its_time_is_over(api: Api) -> None:
    """202 as without it."""
    answer = await api.send_clip(clip_bytes(), {"Prefer": "wait=0"})
    assert (202, "wait=0") == (answer.status_code, answer.headers["preference-applied"])


@pytest.mark.parametrize("api_changes", [{"max_wait_seconds": 0}])
async def test_nobody_waits_longer_than_the_server_lets(api: Api) -> None:
    """The time that was applied is told."""
    answer = await api.send_clip(clip_bytes(), {"Prefer": "wait=999999"})
    assert (202, "wait=0") == (answer.status_code, answer.headers["preference-applied"])


async def _events(api: Api, escalation: str, last: str = "") -> tuple[int, list[dict[str, str]]]:
    """The events of a stream that ends."""
    headers = {"Last-Event-ID": last} if last else {}
    answer = await api.ask("GET", f"/v1/escalations/{escalation}/events", headers=headers)
    found = []
    for block in answer.text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            found.append(fields)
    return answer.status_code, found


async def test_events_tell_progress_and_the_end(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each stage once, then the escalation, and the stream ends."""
    monkeypatch.setattr(progress, "LONGEST_PAUSE", 0.01)
    escalation = await _sent(api)

    async def work() -> None:
        for done in range(3):
            stage = msgspec.to_builtins(Stage(name="models", done=done, total=3))
            await api.change(escalation, state="running", stage=stage)
            await asyncio.sleep(0.3)
        await api.finish(escalation)

    (_, events), _ = await asyncio.gather(_events(api, escalation), work())
    assert "end" == events[-1]["event"]
    assert "FAKE" == msgspec.json.decode(events[-1]["data"])["verdict"]["label"]
    told = [msgspec.json.decode(event["data"]) for event in events[:-1]]
    running = [one["stage"]["done"] for one in told if one["state"] == "running"]
    assert [0, 1, 2] == running


async def test_a_client_that_comes_back_is_not_told_twice(api: Api) -> None:
    """204 after the last event, so that a browser asks no more."""
    escalation = await _sent(api)
    await api.finish(escalation)
    _, events = await _events(api, escalation)
    assert ["end"] == [event["event"] for event in events]
    assert (204, []) == await _events(api, escalation, events[0]["id"])


async def test_silence_is_broken_by_pings(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no proxy takes the connection for dead; and a stream ends after its time."""
    monkeypatch.setattr(progress, "LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(progress, "PING_SECONDS", 0.03)
    monkeypatch.setattr(progress, "STREAM_SECONDS", 1.0)
    escalation = await _sent(api)
    answer = await api.ask("GET", f"/v1/escalations/{escalation}/events")
    assert ": ping" in answer.text
    assert "text/event-stream" == answer.headers["content-type"].partition(";")[0]


async def test_pages_of_a_list_hold_each_escalation_once(each_api: Api) -> None:
    """Newest first, also while others come."""
    api = each_api
    sent = [await _sent(api, seed=seed) for seed in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await api.ask("GET", "/v1/escalations", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
        await _sent(api, seed=100 + len(seen))
    assert sent[::-1] == seen


async def test_a_list_is_filtered(each_api: Api) -> None:
    """By state, label, kind, time, name and batch, alone and together."""
    api = each_api
    fake = await _sent(api, seed=1, name="Talk at noon.mp4")
    real = await _sent(api, seed=2, name="100%_of.mp4")
    waits = await _sent(api, seed=3)
    gone = await _sent(api, seed=4)
    await api.finish(fake, Label.FAKE)
    await api.finish(real, Label.REAL)
    await api.ask("POST", f"/v1/escalations/{gone}/cancel")
    created = (await api.ask("GET", f"/v1/escalations/{real}")).json()["created_at"]

    async def ids(**params: str) -> list[str]:
        answer = await api.ask("GET", "/v1/escalations", params=params)
        assert 200 == answer.status_code, answer.text
        return [item["id"] for item in answer.json()["items"]]

    assert [real, fake] == await ids(state="done")
    assert [waits] == await ids(state="queued")
    assert [gone] == await ids(state="cancelled")
    assert [fake] == await ids(label="FAKE")
    assert [fake] == await ids(name="talk")
    assert [real] == await ids(name="0%_")
    assert [] == await ids(kind="url")
    assert [gone, waits, real] == await ids(since=created)
    assert [fake] == await ids(until=created)
    assert [real] == await ids(since=created, state="done", kind="clip", label="REAL")
    assert [] == await ids(batch=str(uuid4()))


@pytest.mark.parametrize(
    "params",
    [
        {"cursor": "nonsense"},
        {"cursor": "Zm9vIGJhcg"},
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "many"},
        {"state": "gone"},
        {"since": "2026-01-01T00:00:00"},
        {"name": "a\0b"},
        {"batch": "1"},
    ],
)
async def test_filters_that_do_not_fit_are_refused(api: Api, params: dict[str, str]) -> None:
    """422 as problem details."""
    answer = await api.ask("GET", "/v1/escalations", params=params)
    assert (422, "invalid_request") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("wanted", "status", "start", "end"),
    [
        (None, 200, 0, None),
        ("bytes=0-9", 206, 0, 10),
        ("bytes=10-", 206, 10, None),
        ("bytes=-7", 206, -7, None),
        ("bytes=5000-999999", 206, 5000, None),
        ("bytes=9-3", 200, 0, None),
        ("bytes=0-1,4-5", 200, 0, None),
        ("lines=1-2", 200, 0, None),
        ("bytes=-", 200, 0, None),
    ],
)
async def test_media_is_sent_in_ranges(
    api: Api, wanted: str | None, status: int, start: int, end: int | None
) -> None:
    """So that a player can seek."""
    escalation = await _sent(api)
    headers = {"Range": wanted} if wanted else {}
    answer = await api.ask("GET", f"/v1/escalations/{escalation}/media/clip", headers=headers)
    assert (status, clip_bytes()[start:end]) == (answer.status_code, answer.content)
    assert "video/mp4" == answer.headers["content-type"]
    assert str(len(answer.content)) == answer.headers["content-length"]
    assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("wanted", ["bytes=999999-", "bytes=-0"])
async def test_a_range_outside_the_media_is_refused(api: Api, wanted: str) -> None:
    """416 with the size."""
    escalation = await _sent(api)
    answer = await api.ask(
        "GET", f"/v1/escalations/{escalation}/media/clip", headers={"Range": wanted}
    )
    assert (416, "range_not_satisfiable") == (answer.status_code, answer.json()["code"])
    assert f"bytes */{len(clip_bytes())}" == answer.headers["content-range"]


async def test_media_that_is_deleted_is_gone(api: Api) -> None:
    """410 when its job says so; 404 for a part that never was."""
    escalation = await _sent(api)
    answer = await api.ask("GET", f"/v1/escalations/{escalation}/media/other")
    assert 404 == answer.status_code
    await api.services.blobs.delete_prefix("jobs/")
    answer = await api.ask("GET", f"/v1/escalations/{escalation}/media/clip")
    assert (410, "media_gone") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        (Scope.ESCALATE, "GET", "", 200),
        (Scope.ESCALATE, "GET", "/media/clip", 403),
        (Scope.READ, "GET", "", 200),
        (Scope.READ, "GET", "/media/clip", 200),
        (Scope.READ, "POST", "/cancel", 403),
        (Scope.READ, "DELETE", "", 403),
        (Scope.ADMIN, "POST", "/cancel", 200),
    ],
)
async def test_keys_do_what_their_scopes_allow(
    api: Api, scope: Scope, method: str, path: str, status: int
) -> None:
    """A device's key looks at what it knows; media and lists are for those who review."""
    escalation = await _sent(api)
    key = api.make_key(scope).headers
    answer = await api.ask(method, f"/v1/escalations/{escalation}{path}", headers=key)
    assert status == answer.status_code
    listed = await api.ask("GET", "/v1/escalations", headers=key)
    assert (403 if scope is Scope.ESCALATE else 200) == listed.status_code


async def test_models_are_those_of_living_workers(api: Api) -> None:
    """Each once; and it is said when none lives, and when none is heavy."""
    told = (await api.ask("GET", "/v1/models")).json()
    assert ([], 1) == (told["models"], len(told["notes"]))
    from datetime import UTC, datetime, timedelta

    model = ModelState(
        name="dfedge-b0-int8",
        version="1",
        sha256="0" * 64,
        architecture="b0",
        summary="small",
        weight=1.0,
        heavy=False,
        loaded=True,
    )
    now = datetime.now(UTC)
    async with api.services.db.session() as session:
        for number, seen in enumerate((now, now, now - timedelta(hours=1))):
            session.add(
                Worker(
                    executor_id=str(number),
                    host="here",
                    pid=1,
                    seen_at=seen,
                    models=[msgspec.to_builtins(model)],
                )
            )
    told = (await api.ask("GET", "/v1/models")).json()
    assert ["dfedge-b0-int8"] == [one["name"] for one in told["models"]]
    assert ["No heavier model" in note for note in told["notes"]] == [True]
