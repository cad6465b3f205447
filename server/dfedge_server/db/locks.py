"""Things that one process at a time may do."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

TAKEOVER: Final = 0x6466656467650002
"""Taking over the work of dead workers; "dfedge" in ASCII, then 2 (1 is for migrations)."""


async def try_lock(session: AsyncSession, number: int) -> bool:
    """Take a lock until the transaction ends; False where another process has it.

    On SQLite a transaction that may write is alone by itself.
    """
    if session.get_bind().dialect.name == "sqlite":
        return True
    take = text("SELECT pg_try_advisory_xact_lock(:number)").bindparams(number=number)
    return bool(await session.scalar(take))
