"""The API as its callers meet it, without a worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from tests.server.conftest import with_settings

from dfedge_server.app import create_app
from dfedge_server.db.migrate import migrate
from dfedge_server.settings import Settings


@pytest.fixture
def api_changes() -> dict[str, Any]:
    """Settings of the API under test; a test parametrizes it."""
    return {}


@pytest.fixture
async def client(
    settings: Settings, api_changes: dict[str, Any], anyio_backend: str
) -> AsyncIterator[AsyncTestClient[Litestar]]:
    """A client of the whole application, with no key."""
    own = with_settings(settings, **api_changes)
    await migrate(own)
    async with AsyncTestClient(create_app(own)) as opened:
        yield opened
