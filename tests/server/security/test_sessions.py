"""Analysts who are signed in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import func, select, text
from tests.server.conftest import MadeKey, MakeKey

from dfedge_server.db.models import AuditEvent, Session
from dfedge_server.security.keys import revoke_key
from dfedge_server.security.principal import Scope
from dfedge_server.security.sessions import COOKIE, sign_out

pytestmark = pytest.mark.anyio

LIST = "/v1/escalations"
Client = AsyncTestClient[Litestar]


@pytest.fixture
def key(client: Client, make_key: MakeKey) -> MadeKey:
    """A key to sign in with."""
    return make_key(Scope.READ, Scope.ESCALATE)


async def _sign_in(client: Client, key: MadeKey, **headers: str) -> httpx.Response:
    form = {"who": "Ada", "key": key.secret}
    return await client.post("/review/sign-in", data=form, headers=headers, follow_redirects=False)


async def _count(client: Client) -> int:
    async with client.app.state.services.db.reading() as session:
        return await session.scalar(select(func.count()).select_from(Session)) or 0


async def test_a_cookie_stands_for_its_key_under_the_persons_name(
    client: Client, key: MadeKey
) -> None:
    """Signed in, the analyst reads what the key may; signing in is on record."""
    assert 303 == (await _sign_in(client, key)).status_code
    assert 200 == (await client.get(LIST)).status_code
    async with client.app.state.services.db.reading() as session:
        query = select(AuditEvent).where(AuditEvent.action == "session.opened")
        event = (await session.scalars(query)).one()
    assert ("Ada", "newsroom") == (event.actor, event.tenant)


async def test_the_cookie_is_kept_from_scripts_and_other_sites(
    client: Client, key: MadeKey
) -> None:
    """HttpOnly, SameSite=Strict, for all paths, with an end; Secure only where there is https."""
    cookie = (await _sign_in(client, key)).headers["Set-Cookie"].lower()
    for part in ("httponly", "samesite=strict", "path=/", "max-age=43200"):
        assert part in cookie
    assert "secure" not in cookie


@pytest.mark.parametrize("api_changes", [{"public_url": "https://dfedge.example.org"}])
async def test_over_https_the_cookie_is_secure(
    client: Client, key: MadeKey, api_changes: dict[str, Any]
) -> None:
    """Also behind a proxy that ends the https."""
    assert "secure" in (await _sign_in(client, key)).headers["Set-Cookie"].lower()


async def test_the_cookies_value_is_nowhere_in_the_database(client: Client, key: MadeKey) -> None:
    """Who reads the tables cannot take over a session."""
    await _sign_in(client, key)
    async with client.app.state.services.db.reading() as session:
        rows = (await session.execute(text("SELECT * FROM session"))).all()
    assert len(rows) == 1
    assert client.cookies[COOKIE] not in repr(rows)


async def test_signing_out_ends_the_session_and_not_only_the_cookie(
    client: Client, key: MadeKey
) -> None:
    """A cookie that somebody kept is of no use."""
    await _sign_in(client, key)
    kept = client.cookies[COOKIE]
    async with client.app.state.services.db.session() as session:
        await sign_out(session, kept)
        await sign_out(session, kept)
    assert 0 == await _count(client)
    assert 401 == (await client.get(LIST)).status_code


async def test_a_session_ends_with_its_time_and_with_its_key(
    client: Client, key: MadeKey, make_key: MakeKey
) -> None:
    """Whichever is first; the next to sign in clears what is over."""
    await _sign_in(client, key)
    async with client.app.state.services.db.session() as session:
        row = await session.scalar(select(Session))
        row.expires_at = datetime.now(UTC)
    assert 401 == (await client.get(LIST)).status_code
    await _sign_in(client, key)
    assert 1 == await _count(client)
    assert 200 == (await client.get(LIST)).status_code
    async with client.app.state.services.db.session() as session:
        await revoke_key(session, key.row.prefix, actor="test")
    assert 401 == (await client.get(LIST)).status_code


async def test_a_wrong_key_signs_nobody_in(client: Client, key: MadeKey) -> None:
    """No cookie, no session."""
    wrong = MadeKey(key.row, key.secret[:-1] + "~")
    response = await _sign_in(client, wrong)
    assert "Set-Cookie" not in response.headers
    assert 0 == await _count(client)


OTHERS = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver.local"},
]


@pytest.mark.parametrize("headers", OTHERS)
async def test_another_sites_page_changes_nothing_by_the_cookie(
    client: Client, key: MadeKey, headers: dict[str, str]
) -> None:
    """Whatever way the browser tells where the request came from; reading is let pass."""
    assert 403 == (await _sign_in(client, key, **headers)).status_code
    await _sign_in(client, key)
    response = await client.post(LIST, headers=headers, json={})
    assert (403, "other_site") == (response.status_code, response.json()["code"])
    assert 200 == (await client.get(LIST, headers=headers)).status_code


OWN = [
    {},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://testserver.local"},
    {"Origin": "https://dfedge.example.org"},
]


@pytest.mark.parametrize("headers", OWN)
@pytest.mark.parametrize("api_changes", [{"public_url": "https://dfedge.example.org"}])
async def test_the_servers_own_pages_may(
    client: Client, key: MadeKey, headers: dict[str, str], api_changes: dict[str, Any]
) -> None:
    """By the address it was asked for, or the one it is known by."""
    assert 303 == (await _sign_in(client, key, **headers)).status_code


async def test_a_key_needs_no_page(client: Client, key: MadeKey) -> None:
    """A browser sends no key by itself, so an extension's requests come from anywhere."""
    headers = key.headers | {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    response = await client.post(LIST, headers=headers, json={})
    assert "other_site" != response.json()["code"]
