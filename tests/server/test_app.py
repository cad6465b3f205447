"""What surrounds every request: problems, identities, safe headers, CORS, the OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError
from tests.server.conftest import MakeKey, with_settings

from dfedge_server.app import create_app
from dfedge_server.db.migrate import migrate
from dfedge_server.problems import PROBLEMS
from dfedge_server.settings import Settings

pytestmark = pytest.mark.anyio

ORIGIN = "https://news.example.org"


@asynccontextmanager
async def _client(settings: Settings, **changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    settings = with_settings(settings, **changes)
    await migrate(settings)
    app = create_app(settings)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://t") as one:
        yield one


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing/here", 404, "not_found"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/escalations/not-a-uuid", 404, "not_found"),
        ("PUT", "/v1/escalations", 405, "method_not_allowed"),
        ("GET", "/v1/escalations", 401, "key_missing"),
        ("POST", "/v1/escalations", 401, "key_missing"),
        ("GET", "/v1/models", 401, "key_missing"),
    ],
)
async def test_errors_are_problem_details(
    settings: Settings, method: str, path: str, status: int, code: str
) -> None:
    """With a code, a sentence, and the request's identity."""
    async with _client(settings) as client:
        answer = await client.request(method, path)
    told = answer.json()
    assert (status, code) == (answer.status_code, told["code"])
    assert "application/problem+json" == answer.headers["content-type"]
    assert (status, True) == (told["status"], told["detail"].endswith("."))
    assert f"urn:dfedge:request:{answer.headers['x-request-id']}" == told["instance"]


async def test_a_wrong_key_is_refused_with_a_way_out(settings: Settings) -> None:
    """401 that names the command, and asks for a bearer token."""
    async with _client(settings) as client:
        answer = await client.get("/v1/models", headers={"X-API-Key": "dfe_12345678_x"})
    assert (401, "key_refused") == (answer.status_code, answer.json()["code"])
    assert "dfedge keys" in answer.json()["detail"]
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RuntimeError("secret"), 500, "internal_error"),
        (OperationalError("SELECT secret", {}, Exception("secret")), 503, "unavailable"),
    ],
)
async def test_nothing_of_an_unexpected_error_is_told(
    settings: Settings,
    make_key: MakeKey,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    code: str,
) -> None:
    """Only its code and where to find it in the log."""

    async def broken(services: object) -> None:
        raise error

    monkeypatch.setattr("dfedge_server.escalations.routes.list_models", broken)
    async with _client(settings) as client:
        answer = await client.get("/v1/models", headers=make_key().headers)
    assert (status, code) == (answer.status_code, answer.json()["code"])
    assert "secret" not in answer.text


async def test_a_key_that_asks_too_often_is_told_when_to_ask_again(
    settings: Settings, make_key: MakeKey
) -> None:
    """429 with Retry-After."""
    async with _client(settings) as client:
        headers = make_key(requests_per_minute=1).headers
        assert 200 == (await client.get("/v1/models", headers=headers)).status_code
        answer = await client.get("/v1/models", headers=headers)
    assert (429, "rate_limited") == (answer.status_code, answer.json()["code"])
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("sent", "kept"), [("abc-1.2_3", True), ("a b", False), ("x" * 65, False), ("", False)]
)
async def test_a_request_has_an_identity(settings: Settings, sent: str, kept: bool) -> None:
    """The client's own where it is harmless in a log, else a new one."""
    async with _client(settings) as client:
        answer = await client.get("/v1/models", headers={"X-Request-ID": sent})
    identity = answer.headers["x-request-id"]
    assert kept == (identity == sent)
    assert identity


async def test_answers_carry_safe_headers(settings: Settings) -> None:
    """Also where nothing is."""
    async with _client(settings, public_url="https://dfedge.example.org") as client:
        for path in ("/v1/openapi.json", "/nothing"):
            headers = (await client.get(path)).headers
            assert "nosniff" == headers["x-content-type-options"]
            assert "no-store" == headers["cache-control"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["strict-transport-security"].startswith("max-age=")


@pytest.mark.parametrize(
    ("allowed", "origin", "let"),
    [
        ((), ORIGIN, False),
        ((ORIGIN,), ORIGIN, True),
        ((ORIGIN,), "https://news.example.org.evil.example", False),
        ((ORIGIN,), "https://newsxexample.org", False),
        ((ORIGIN,), "http://news.example.org", False),
        ((ORIGIN,), "null", False),
    ],
)
async def test_only_named_origins_may_call(
    settings: Settings, allowed: tuple[str, ...], origin: str, let: bool
) -> None:
    """Exactly those, before and with the request, and never with cookies."""
    preflight = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,idempotency-key,prefer",
    }
    async with _client(settings, allowed_origins=allowed) as client:
        asked = await client.options("/v1/escalations", headers=preflight)
        sent = await client.get("/v1/openapi.json", headers={"Origin": origin})
    for answer in (asked, sent):
        assert (origin if let else None) == answer.headers.get("access-control-allow-origin")
        assert "access-control-allow-credentials" not in answer.headers


async def test_the_openapi_document_is_whole(settings: Settings) -> None:
    """Every operation has a summary and says what it refuses; the form of a submission is there."""
    async with _client(settings) as client:
        document = (await client.get("/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert {"bearer", "key", "session"} == set(document["components"]["securitySchemes"])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary"), f"{method} {path}"
            if not path.startswith("/v1"):
                continue
            for status in ("400", "401", "403", "422", "429", "500", "503"):
                content = operation["responses"][status]["content"]
                assert ["application/problem+json"] == list(content), f"{method} {path} {status}"
    body = document["paths"]["/v1/escalations"]["post"]["requestBody"]["content"]
    assert {"multipart/form-data", "application/json"} == set(body)
    assert "Submission" in document["components"]["schemas"]


def test_every_problem_says_what_to_do() -> None:
    """A sentence, a title, and a status that is an error."""
    for code, (status, title, way_out) in PROBLEMS.items():
        assert 400 <= status < 600, code
        assert title, code
        assert way_out.endswith("."), code
