"""An administrator's wish that workers load their models anew, told through the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from dfedge_server.db.models import ServerSetting

_NAME: Final = "models.reload"


async def ask(session: AsyncSession) -> datetime:
    """Let all workers load anew what they loaded before now; tells when that is."""
    now = datetime.now(UTC)
    row = await session.scalar(
        select(ServerSetting).where(ServerSetting.name == _NAME).with_for_update()
    )
    if row is None:
        session.add(ServerSetting(name=_NAME, value={"at": now.isoformat()}))
    else:
        row.value = {"at": now.isoformat()}
    return now


async def asked_since(session: AsyncSession, loaded_at: datetime) -> bool:
    """Whether models that were loaded then are to be loaded anew."""
    value = await session.scalar(select(ServerSetting.value).where(ServerSetting.name == _NAME))
    return value is not None and datetime.fromisoformat(value["at"]) > loaded_at
