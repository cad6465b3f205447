"""A real server started on each kind of store."""

from __future__ import annotations

from typing import Any

import pytest
from tests.server.conftest import StartServer

from dfedge_server.security.principal import Scope


@pytest.fixture(params=["alone", "several machines"])
def stores(request: pytest.FixtureRequest) -> dict[str, Any]:
    """SQLite and a folder, or PostgreSQL and a bucket."""
    if request.param == "alone":
        return {}
    new_database, bucket = request.getfixturevalue("postgres"), request.getfixturevalue("s3")
    return {"database_url": new_database(), **bucket}


def test_a_server_makes_its_tables_and_knows_its_keys(
    live_server: StartServer, stores: dict[str, Any]
) -> None:
    """``dfedge serve api`` on nothing at all: a key works and is not logged; SIGTERM ends it."""
    server = live_server("api", ready=False, **stores)
    with server.client(Scope.READ) as client:
        assert [] == client.get("/v1/escalations").json()["items"]
        key = client.headers["Authorization"]
    assert key.removeprefix("Bearer ") not in server.log.read_text()
    assert 0 == server.stop()
