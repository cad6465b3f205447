"""What living workers answer with, by their signs of life in the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from dfedge.escalation.wire import ModelState
from dfedge_server.db.models import Worker
from dfedge_server.settings import Settings


@dataclass(frozen=True, slots=True)
class Living:
    """The workers that show life.

    Attributes:
        versions: of the models that answer, by name.
    """

    workers: int
    versions: dict[str, str]

    @property
    def answers(self) -> bool:
        """Whether a model answers."""
        return bool(self.versions)


async def living(session: AsyncSession, settings: Settings) -> Living:
    """Look at the signs of life."""
    since = datetime.now(UTC) - timedelta(seconds=settings.worker_timeout_seconds)
    found = (await session.scalars(select(Worker.models).where(Worker.seen_at >= since))).all()
    models = [msgspec.convert(one, ModelState) for models in found for one in models]
    return Living(len(found), {model.name: model.version for model in models if model.loaded})
