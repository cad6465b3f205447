"""Submitting: what is taken, what is refused, and that the same is done once."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest
from tests.server.escalations.conftest import (
    Api,
    clip_bytes,
    crop_of,
    made_verdict,
    manifest_of,
    picture_bytes,
)

from dfedge.escalation.wire import State
from dfedge.verdict import Label
from dfedge_server.db.models import Escalation, Job
from dfedge_server.escalations.uploads import HELD_BYTES

pytestmark = pytest.mark.anyio


async def test_a_clip_is_accepted_with_a_place_to_look(api: Api) -> None:
    """202, Location, Retry-After; the job waits and its media lies in the blobs."""
    answer = await api.send_clip(clip_bytes(), name="talk.mp4")
    assert 202 == answer.status_code, answer.text
    told = answer.json()
    assert f"/v1/escalations/{told['id']}" == answer.headers["location"].partition("8000")[2] or (
        answer.headers["location"].endswith(f"/v1/escalations/{told['id']}")
    )
    assert "2" == answer.headers["retry-after"]
    assert ("queued", "clip", "talk.mp4") == (told["state"], told["kind"], told["name"])
    assert {"name": "waiting", "done": 0, "total": None} == told["stage"]
    assert 0 == told["queue_position"]
    job = (await api.jobs())[0]
    assert clip_bytes() == await api.services.blobs.get(job.media["clip"])
    waiting = await api.services.queue.waiting([str(job.id)])
    assert {str(job.id)} == waiting


async def test_crops_are_accepted(api: Api) -> None:
    """Each under its own part."""
    manifest = manifest_of(kind="crops", crops=[crop_of("a.png"), crop_of("b.png")])
    answer = await api.send(
        ("manifest", manifest), ("b.png", picture_bytes(shade=1)), ("a.png", picture_bytes())
    )
    assert 202 == answer.status_code, answer.text
    assert {"a.png", "b.png"} == set((await api.jobs())[0].media)


async def test_the_same_clip_is_judged_once(each_api: Api) -> None:
    """Two escalations, one job, and no second copy of the media."""
    api = each_api
    first = (await api.send_clip(clip_bytes())).json()
    second = (await api.send_clip(clip_bytes(), name="again")).json()
    assert first["id"] != second["id"]
    assert (False, True) == (first["reused"], second["reused"])
    job = (await api.jobs())[0]
    assert (1, 2) == (await api.count(Job), await api.count(Escalation))
    assert [job.media["clip"]] == await api.services.blobs.keys("jobs/")


async def test_a_long_clip_is_kept_whole_and_once(api: Api) -> None:
    """One that is too long to be held until it is known to be new."""
    clip = clip_bytes(2 * HELD_BYTES)
    for _ in range(2):
        assert 202 == (await api.send_clip(clip)).status_code
    (job,) = await api.jobs()
    assert [job.media["clip"]] == await api.services.blobs.keys("jobs/")
    assert clip == await api.services.blobs.get(job.media["clip"])


async def test_many_that_come_at_once_share_one_job(each_api: Api) -> None:
    """Whoever wins the race."""
    answers = await asyncio.gather(*(each_api.send_clip(clip_bytes()) for _ in range(8)))
    assert [202] * 8 == [answer.status_code for answer in answers]
    assert (1, 8) == (await each_api.count(Job), await each_api.count(Escalation))
    assert 1 == len(await each_api.services.blobs.keys("jobs/"))


async def test_a_finished_job_is_answered_at_once(api: Api) -> None:
    """200 with the verdict, under the name this caller gave."""
    first = (await api.send_clip(clip_bytes(), name="talk.mp4")).json()
    await api.finish(first["id"], Label.FAKE)
    answer = await api.send_clip(clip_bytes(), name="copy.mp4")
    assert 200 == answer.status_code
    told = answer.json()
    assert ("done", True, "FAKE") == (told["state"], told["reused"], told["verdict"]["label"])
    assert "copy.mp4" == told["verdict"]["source"]["name"]


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
async def test_what_failed_is_done_again(api: Api, state: State) -> None:
    """A failed or cancelled job is no answer to the next who asks."""
    first = (await api.send_clip(clip_bytes())).json()
    await api.change(first["id"], state=state.value)
    second = (await api.send_clip(clip_bytes())).json()
    assert ("queued", False) == (second["state"], second["reused"])
    assert 2 == await api.count(Job)


async def test_how_long_the_device_took_makes_no_other_input(api: Api) -> None:
    """The same clip with the same opinion of the device is the same, whenever it was judged."""
    for seconds in (1.0, 2.0):
        verdict = made_verdict(Label.UNCERTAIN, seconds=seconds)
        answer = await api.send_clip(clip_bytes(), device_verdict=verdict)
        assert "UNCERTAIN" == answer.json()["device_label"]
    assert 1 == await api.count(Job)


@pytest.mark.parametrize(
    "changes",
    [
        {"frames": 7},
        {"sampling": "scene"},
        {"device_verdict": made_verdict(Label.FAKE)},
    ],
)
async def test_what_changes_the_verdict_makes_another_job(api: Api, changes: object) -> None:
    """Frames, their choice, and the device's opinion are part of the question."""
    await api.send_clip(clip_bytes())
    await api.send_clip(clip_bytes(), **dict(changes))  # type: ignore[call-overload]
    assert 2 == await api.count(Job)


async def test_addresses_are_fetched_anew_each_time(api: Api) -> None:
    """What an address serves may have changed."""
    for _ in range(2):
        answer = await api.ask(
            "POST", "/v1/escalations", json={"kind": "url", "url": "https://example.org/a.mp4"}
        )
        assert 202 == answer.status_code, answer.text
    assert 2 == await api.count(Job)


async def test_tenants_share_nothing(api: Api) -> None:
    """Not even the knowledge that another has the same bytes."""
    await api.send_clip(clip_bytes())
    other = api.make_key(tenant="other")
    answer = await api.send_clip(clip_bytes(), other.headers)
    assert (202, False) == (answer.status_code, answer.json()["reused"])
    assert 2 == await api.count(Job)


async def test_the_same_idempotency_key_gives_the_same_escalation(each_api: Api) -> None:
    """Also when both come at once."""
    key = {"Idempotency-Key": "abc"}
    answers = await asyncio.gather(*(each_api.send_clip(clip_bytes(), key) for _ in range(4)))
    assert 1 == len({answer.json()["id"] for answer in answers})
    assert 1 == await each_api.count(Escalation)


async def test_an_idempotency_key_is_good_for_one_request(api: Api) -> None:
    """Another request with it is refused, and its media deleted."""
    key = {"Idempotency-Key": "abc"}
    await api.send_clip(clip_bytes(), key)
    answer = await api.send_clip(clip_bytes(seed=1), key)
    assert (422, "idempotency_conflict") == (answer.status_code, answer.json()["code"])
    assert 1 == len(await api.services.blobs.keys("jobs/"))


async def test_idempotency_keys_of_tenants_do_not_meet(api: Api) -> None:
    """The same key of another tenant is another key."""
    key = {"Idempotency-Key": "abc"}
    first = await api.send_clip(clip_bytes(), key)
    second = await api.send_clip(clip_bytes(seed=1), key | api.make_key(tenant="other").headers)
    assert (202, 202) == (first.status_code, second.status_code)


@pytest.mark.parametrize(
    "api_changes", [{"max_queue": 2}, {"max_queue_per_tenant": 2}], ids=["all", "tenant"]
)
async def test_a_full_queue_says_when_to_ask_again(api: Api) -> None:
    """429 with Retry-After; what was sent is deleted; the same bytes as before need no room."""
    for seed in range(2):
        await api.send_clip(clip_bytes(seed=seed))
    answer = await api.send_clip(clip_bytes(seed=2))
    assert (429, "queue_full") == (answer.status_code, answer.json()["code"])
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert 2 == len(await api.services.blobs.keys("jobs/"))
    assert 202 == (await api.send_clip(clip_bytes(seed=0))).status_code


@pytest.mark.parametrize("api_changes", [{"max_queue_per_tenant": 1}])
async def test_one_tenant_cannot_fill_the_queue_of_another(api: Api) -> None:
    """Each has its own bound."""
    await api.send_clip(clip_bytes())
    other = api.make_key(tenant="other")
    assert 202 == (await api.send_clip(clip_bytes(), other.headers)).status_code


async def test_an_accepted_job_is_kept_when_the_queue_is_away(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is there, and workers look for such rows."""

    async def broken(self: object, job_id: UUID, *, ahead: int) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr(type(api.services.queue), "enqueue", broken)
    assert 202 == (await api.send_clip(clip_bytes())).status_code
    assert ["queued"] == [job.state for job in await api.jobs()]


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({"kind": "crops"}, "crops is empty"),
        ({"kind": "crops", "crops": [crop_of("a"), crop_of("a")]}, "the same part"),
        ({"kind": "crops", "crops": [crop_of("manifest")]}, "own name"),
        ({"kind": "crops", "crops": [crop_of("a", left=640)]}, "outside its frame"),
        ({"kind": "crops", "crops": [crop_of("a", box=[2, 2, 1, 3])]}, "box is empty"),
        ({"kind": "crops", "crops": [crop_of("a", box=[0, 0, 1e9, 3])]}, "too large"),
        ({"kind": "crops", "crops": [crop_of("../a")]}, "$.crops[0].part"),
        ({"kind": "clip", "crops": [crop_of("a")]}, "do not go with kind clip"),
        ({"kind": "clip", "url": "https://example.org"}, "url does not go"),
        ({"kind": "clip", "frames": 121}, "$.frames"),
        ({"kind": "clip", "name": "a\0b"}, "$.name"),
        ({"kind": "clip", "webhook": {"url": "http://"}}, "webhook.url"),
        ({"kind": "clip", "colour": "red"}, "colour"),
        ({"kind": "url"}, "url is no http"),
        ({"kind": "url", "url": "file:///etc/passwd"}, "url is no http"),
        ({"kind": "url", "url": "https://a b/"}, "url is no http"),
        ({"kind": "url", "url": "https://[::1"}, "url is no http"),
        ({"kind": "film"}, "$.kind"),
        ({}, "kind"),
    ],
)
async def test_a_manifest_that_does_not_fit_is_refused(
    api: Api, manifest: dict[str, object], said: str
) -> None:
    """422 with the field at fault, and nothing is kept."""
    answer = await api.send(("manifest", manifest_of(**manifest)), ("clip", clip_bytes()))
    assert (422, "invalid_request") == (answer.status_code, answer.json()["code"])
    assert said in answer.json()["detail"]
    assert 0 == await api.count(Escalation)


@pytest.mark.parametrize("api_changes", [{"max_frames": 30}])
async def test_more_frames_than_the_server_looks_at_are_refused(api: Api) -> None:
    """The setting is named by its number."""
    answer = await api.send_clip(clip_bytes(), frames=31)
    assert 422 == answer.status_code
    assert "over the 30" in answer.json()["detail"]
