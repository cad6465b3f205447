"""Cancelling, deleting, overriding, feedback and batches."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import select
from tests.server.escalations.conftest import Api, clip_bytes

from dfedge.escalation.wire import State
from dfedge_server.db.models import (
    AuditEvent,
    Batch,
    Escalation,
    Evidence,
    FeedbackRow,
    Job,
    Override,
)

pytestmark = pytest.mark.anyio


async def _sent(api: Api, seed: int = 0) -> str:
    return str((await api.send_clip(clip_bytes(seed=seed))).json()["id"])


async def _state(api: Api, escalation: str) -> str:
    return str((await api.ask("GET", f"/v1/escalations/{escalation}")).json()["state"])


async def test_cancelling_ends_the_job(each_api: Api) -> None:
    """It leaves the queue, and cancelling again changes nothing."""
    api = each_api
    escalation = await _sent(api)
    job = await api.job_of(escalation)
    for _ in range(2):
        answer = await api.ask("POST", f"/v1/escalations/{escalation}/cancel")
        assert (200, "cancelled") == (answer.status_code, answer.json()["state"])
    assert [State.CANCELLED.value] == [row.state for row in await api.jobs()]
    assert set() == await api.services.queue.waiting([str(job)])


async def test_a_job_others_wait_for_goes_on(api: Api) -> None:
    """Until the last of them cancels."""
    first, second = await _sent(api), await _sent(api)
    await api.ask("POST", f"/v1/escalations/{first}/cancel")
    assert ("cancelled", "queued") == (await _state(api, first), await _state(api, second))
    assert ["queued"] == [row.state for row in await api.jobs()]
    await api.ask("POST", f"/v1/escalations/{second}/cancel")
    assert ["cancelled"] == [row.state for row in await api.jobs()]


async def test_what_has_ended_cannot_be_cancelled(api: Api) -> None:
    """Its verdict stays."""
    escalation = await _sent(api)
    await api.finish(escalation)
    answer = await api.ask("POST", f"/v1/escalations/{escalation}/cancel")
    assert (200, "done") == (answer.status_code, answer.json()["state"])


async def test_deleting_leaves_nothing(each_api: Api) -> None:
    """No row, no media, no evidence, no place in the queue; only the audit log knows."""
    api = each_api
    escalation = await _sent(api)
    job = await api.job_of(escalation)
    await api.finish(escalation)
    await api.ask("POST", f"/v1/escalations/{escalation}/overrides", json={"label": "REAL"})
    await api.ask("POST", f"/v1/escalations/{escalation}/feedback", json={"mistake": "correct"})
    answer = await api.ask("DELETE", f"/v1/escalations/{escalation}")
    assert (204, b"") == (answer.status_code, answer.content)
    for table in (Escalation, Job, Evidence, Override, FeedbackRow):
        assert 0 == await api.count(table), table
    assert [] == await api.services.blobs.keys("")
    assert set() == await api.services.queue.waiting([str(job)])
    assert 404 == (await api.ask("GET", f"/v1/escalations/{escalation}")).status_code
    async with api.services.db.reading() as session:
        query = select(AuditEvent).where(AuditEvent.action == "escalation.deleted")
        event = (await session.scalars(query)).one()
    assert (escalation, {}) == (event.subject, event.details)


async def test_deleting_one_leaves_what_another_asked_for(api: Api) -> None:
    """Media and verdict go with the last."""
    first, second = await _sent(api), await _sent(api)
    await api.finish(first)
    await api.ask("DELETE", f"/v1/escalations/{first}")
    assert "done" == await _state(api, second)
    assert 2 == len(await api.services.blobs.keys("jobs/"))
    await api.ask("DELETE", f"/v1/escalations/{second}")
    assert [] == await api.services.blobs.keys("jobs/")


async def test_deleting_the_one_who_waits_ends_the_job(api: Api) -> None:
    """When the others have cancelled."""
    first, second = await _sent(api), await _sent(api)
    await api.ask("POST", f"/v1/escalations/{first}/cancel")
    await api.ask("DELETE", f"/v1/escalations/{second}")
    assert ["cancelled"] == [row.state for row in await api.jobs()]


async def test_deleting_while_the_same_comes_again(each_api: Api) -> None:
    """Whoever is first: an accepted escalation always has its job and media."""
    api = each_api
    for seed in range(4):
        escalation = await _sent(api, seed)
        answer, _ = await asyncio.gather(
            api.send_clip(clip_bytes(seed=seed)),
            api.ask("DELETE", f"/v1/escalations/{escalation}"),
        )
        assert 202 == answer.status_code
        job = await api.job_of(answer.json()["id"])
        keys = await api.services.blobs.keys(f"jobs/{job}/")
        assert 1 == len(keys)


async def test_an_override_stands_beside_the_verdict(api: Api) -> None:
    """The newest first, all kept, with who and when; the audit log has it too."""
    escalation = await _sent(api)
    await api.finish(escalation)
    for label, note in (("REAL", "I know her."), ("UNCERTAIN", "Not so sure.")):
        answer = await api.ask(
            "POST",
            f"/v1/escalations/{escalation}/overrides",
            json={"label": label, "note": note},
        )
        assert 201 == answer.status_code, answer.text
    told = (await api.ask("GET", f"/v1/escalations/{escalation}")).json()
    assert ["UNCERTAIN", "REAL"] == [one["label"] for one in told["overrides"]]
    assert "FAKE" == told["verdict"]["label"]
    assert api.key.row.prefix in told["overrides"][0]["by"]


async def test_feedback_is_kept(api: Api) -> None:
    """Which mistake, in whose words, by which key."""
    escalation = await _sent(api)
    await api.finish(escalation)
    said = {"mistake": "false_alarm", "note": "That is me."}
    answer = await api.ask("POST", f"/v1/escalations/{escalation}/feedback", json=said)
    assert 204 == answer.status_code
    async with api.services.db.reading() as session:
        row = (await session.scalars(select(FeedbackRow))).one()
    assert ("false_alarm", "That is me.") == (row.mistake, row.note)
    assert (api.key.row.id, UUID(escalation)) == (row.key_id, row.escalation_id)


@pytest.mark.parametrize(
    ("path", "said"), [("overrides", {"label": "REAL"}), ("feedback", {"mistake": "correct"})]
)
async def test_only_of_a_verdict_something_can_be_said(
    api: Api, path: str, said: dict[str, str]
) -> None:
    """409 while there is none."""
    escalation = await _sent(api)
    answer = await api.ask("POST", f"/v1/escalations/{escalation}/{path}", json=said)
    assert (409, "not_finished") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("overrides", {"label": "MAYBE"}),
        ("overrides", {"label": "REAL", "note": "a\0b"}),
        ("overrides", {"label": "REAL", "by": "somebody else"}),
        ("feedback", {"mistake": "none"}),
        ("feedback", {"mistake": "correct", "note": "x" * 2001}),
    ],
)
async def test_what_is_said_must_fit(api: Api, path: str, said: dict[str, str]) -> None:
    """422, and nothing is kept."""
    escalation = await _sent(api)
    await api.finish(escalation)
    answer = await api.ask("POST", f"/v1/escalations/{escalation}/{path}", json=said)
    assert (422, "invalid_request") == (answer.status_code, answer.json()["code"])
    assert (0, 0) == (await api.count(Override), await api.count(FeedbackRow))


def _batch(*names: str) -> dict[str, object]:
    return {"items": [{"kind": "url", "url": f"https://example.org/{name}"} for name in names]}


async def test_a_batch_holds_addresses(each_api: Api) -> None:
    """All accepted, found again in order, and counted by state."""
    api = each_api
    answer = await api.ask("POST", "/v1/batches", json=_batch("a", "b", "c"))
    assert 202 == answer.status_code, answer.text
    batch = answer.json()
    assert answer.headers["location"].endswith(f"/v1/batches/{batch['id']}")
    await api.finish(batch["items"][1]["id"])
    told = (await api.ask("GET", f"/v1/batches/{batch['id']}")).json()
    assert (2, 1, 0) == tuple(told["counts"][state] for state in ("queued", "done", "failed"))
    assert ["queued", "done", "queued"] == [item["state"] for item in told["items"]]
    params = {"batch": batch["id"]}
    listed = (await api.ask("GET", "/v1/escalations", params=params)).json()
    assert 3 == len(listed["items"])
    other = api.make_key(tenant="other", settings=api.services.settings).headers
    answer = await api.ask("GET", f"/v1/batches/{batch['id']}", headers=other)
    assert 404 == answer.status_code


async def test_a_batch_is_made_once_for_its_idempotency_key(each_api: Api) -> None:
    """Also when both come at once; another batch with the key is refused."""
    api, key = each_api, {"Idempotency-Key": "night-run"}
    answers = await asyncio.gather(
        *(api.ask("POST", "/v1/batches", json=_batch("a", "b"), headers=key) for _ in range(3))
    )
    assert 1 == len({answer.json()["id"] for answer in answers})
    assert (1, 2) == (await api.count(Batch), await api.count(Escalation))
    answer = await api.ask("POST", "/v1/batches", json=_batch("c"), headers=key)
    assert (422, "idempotency_conflict") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("api_changes", [{"max_queue_per_tenant": 2}])
async def test_a_batch_is_taken_whole_or_not(api: Api) -> None:
    """Where there is no room for all, none is taken."""
    answer = await api.ask("POST", "/v1/batches", json=_batch("a", "b", "c"))
    assert (429, "queue_full") == (answer.status_code, answer.json()["code"])
    assert (0, 0) == (await api.count(Escalation), await api.count(Batch))


@pytest.mark.parametrize(
    "batch",
    [{"items": []}, {"items": [{"kind": "clip"}]}, {"items": [{"kind": "url"}]}, {}, _batch("a b")],
)
async def test_a_batch_must_fit(api: Api, batch: dict[str, object]) -> None:
    """422 names the item."""
    answer = await api.ask("POST", "/v1/batches", json=batch)
    assert (422, "invalid_request") == (answer.status_code, answer.json()["code"])


async def test_an_empty_batch_is_gone(api: Api) -> None:
    """With the last of its escalations."""
    batch = (await api.ask("POST", "/v1/batches", json=_batch("a"))).json()
    await api.ask("DELETE", f"/v1/escalations/{batch['items'][0]['id']}")
    assert 0 == await api.count(Batch)
