"""What is told of a request."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from litestar import Litestar, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.testing import TestClient

from dfedge_server.telemetry.metrics import REGISTRY
from dfedge_server.telemetry.requests import Observed


@get("/things/{name:str}", sync_to_thread=False)
def _thing(name: FromPath[str]) -> str:
    if name == "none":
        raise NotFoundException
    return name


@pytest.fixture
def client() -> Iterator[TestClient[Litestar]]:
    """A small application, observed."""
    app = Litestar([_thing], logging_config=None, openapi_config=None)
    app.asgi_handler = Observed(app.asgi_handler)
    with TestClient(app) as client:
        yield client


def _count(route: str, status: int) -> float:
    labels = {"method": "GET", "route": route, "status": str(status)}
    return REGISTRY.get_sample_value("dfedge_requests_total", labels) or 0.0


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/things/secret-name?token=secret", "/things/{name}", 200),
        ("/things/none", "/things/{name}", 404),
        ("/secret/path", "unmatched", 404),
    ],
)
def test_a_request_is_told_by_its_route(
    client: TestClient[Litestar], path: str, route: str, status: int
) -> None:
    """Log and metrics hold route, status and time, and nothing of what the client named."""
    before = _count(route, status)
    with structlog.testing.capture_logs() as lines:
        client.get(path)
    (line,) = lines
    assert ("GET", route, status) == (line["method"], line["route"], line["status"])
    assert line["milliseconds"] > 0
    assert "secret" not in str(line)
    assert 1 == _count(route, status) - before
