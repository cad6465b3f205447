"""Who sends a request, and what it may do, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import select
from tests.server.conftest import MakeKey

from dfedge_server.db.models import ApiKey
from dfedge_server.security import middleware
from dfedge_server.security.keys import revoke_key
from dfedge_server.security.principal import Scope

pytestmark = pytest.mark.anyio

LIST = "/v1/escalations"
Client = AsyncTestClient[Litestar]


def _code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def test_without_a_key_nothing_is_told(client: Client) -> None:
    """401 with the way a key is sent."""
    response = await client.get(LIST)
    assert (401, "key_missing") == _code(response)
    assert "Bearer" == response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
async def test_a_key_is_taken_from_either_header(
    client: Client, make_key: MakeKey, header: str
) -> None:
    """As Bearer, whatever its capitals, or as X-API-Key."""
    secret = make_key(Scope.READ).secret
    value = f"bearer {secret}" if header == "Authorization" else secret
    assert 200 == (await client.get(LIST, headers={header: value})).status_code


@pytest.mark.parametrize("value", ["Bearer dfe_00000000_no", "Bearer x", "bearer " + "y" * 5000])
async def test_a_wrong_key_is_refused_even_where_none_is_needed(client: Client, value: str) -> None:
    """Its sender learns of the mistake at once."""
    for path in (LIST, "/healthcheck"):
        response = await client.get(path, headers={"Authorization": value})
        assert (401, "key_refused") == _code(response)
        assert 'Bearer error="invalid_token"' == response.headers["WWW-Authenticate"]


async def test_a_key_without_the_scope_is_refused(client: Client, make_key: MakeKey) -> None:
    """403 that names the scope; admin includes the others."""
    response = await client.get(LIST, headers=make_key(Scope.ESCALATE).headers)
    assert (403, "scope_missing") == _code(response)
    assert "the scope read" in response.json()["detail"]
    assert 200 == (await client.get(LIST, headers=make_key(Scope.ADMIN).headers)).status_code


async def test_revoking_acts_on_the_next_request(client: Client, make_key: MakeKey) -> None:
    """Nothing remembers that a key was good."""
    key = make_key(Scope.READ)
    assert 200 == (await client.get(LIST, headers=key.headers)).status_code
    async with client.app.state.services.db.session() as session:
        await revoke_key(session, key.row.prefix, actor="test")
    assert (401, "key_refused") == _code(await client.get(LIST, headers=key.headers))


async def test_use_is_noted_without_a_write_for_every_request(
    client: Client, make_key: MakeKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first request writes the time, the next ones of the same minute do not."""
    key = make_key(Scope.READ)

    async def last_used() -> datetime | None:
        async with client.app.state.services.db.reading() as session:
            used: datetime | None = await session.scalar(select(ApiKey.last_used_at))
            return used

    await client.get(LIST, headers=key.headers)
    first = await last_used()
    assert first is not None
    await client.get(LIST, headers=key.headers)
    assert first == await last_used()
    monkeypatch.setattr(middleware, "USE_EVERY", timedelta(0))
    await client.get(LIST, headers=key.headers)
    later = await last_used()
    assert later is not None
    assert later > first


async def test_a_key_that_asks_too_often_is_told_to_wait(client: Client, make_key: MakeKey) -> None:
    """429 as problem details; each answer tells where the key stands, another key is let pass."""
    busy, other = make_key(Scope.READ, requests_per_minute=3), make_key(Scope.READ)
    answers = [await client.get(LIST, headers=busy.headers) for _ in range(4)]
    assert [200, 200, 200, 429] == [answer.status_code for answer in answers]
    assert ["2", "1", "0", "0"] == [answer.headers["RateLimit-Remaining"] for answer in answers]
    assert ["3"] * 4 == [answer.headers["RateLimit-Limit"] for answer in answers]
    assert 0 < int(answers[3].headers["Retry-After"]) <= 20
    assert (429, "rate_limited") == _code(answers[3])
    assert "application/problem+json" == answers[3].headers["Content-Type"]
    free = await client.get(LIST, headers=other.headers)
    assert (200, "600") == (free.status_code, free.headers["RateLimit-Limit"])


async def test_all_routes_draw_on_the_same_count(client: Client, make_key: MakeKey) -> None:
    """A key has one limit, not one for each address."""
    key = make_key(Scope.READ, requests_per_minute=2)
    paths = (LIST, "/v1/models", "/healthcheck")
    answers = [(await client.get(path, headers=key.headers)).status_code for path in paths]
    assert [200, 200, 429] == answers


@pytest.mark.parametrize("api_changes", [{"compat_without_key": True, "requests_per_minute": 2}])
async def test_routes_open_to_all_count_by_address(
    client: Client, api_changes: dict[str, Any]
) -> None:
    """Where the operator opened them; the rest still asks for a key."""
    answers = [await client.post("/detect") for _ in range(3)]
    assert 401 not in [answer.status_code for answer in answers]
    assert (429, "rate_limited") == _code(answers[2])
    assert (401, "key_missing") == _code(await client.get(LIST))


async def test_an_expired_key_is_refused(client: Client, make_key: MakeKey) -> None:
    """Over HTTP as in the database."""
    key = make_key(Scope.READ, expires_at=datetime.now(UTC) + timedelta(hours=1))
    async with client.app.state.services.db.session() as session:
        row = await session.scalar(select(ApiKey))
        row.expires_at = datetime.now(UTC)
    assert (401, "key_refused") == _code(await client.get(LIST, headers=key.headers))
