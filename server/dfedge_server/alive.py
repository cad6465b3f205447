"""Whether the worker of this machine shows life: ``python -m dfedge_server.alive`` (exits 0 or 1).

For containers that run ``dfedge serve worker``, which answers no HTTP. It reads the database that
the worker writes its signs of life to, and loads no model.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from dfedge.errors import DfedgeError
from dfedge_server.db.engine import Database
from dfedge_server.db.models import Worker
from dfedge_server.settings import Settings, load_settings


def main() -> int:
    """Say what was found; 0 is alive."""
    try:
        alive = asyncio.run(shows_life(load_settings()))
    except (DfedgeError, SQLAlchemyError, OSError) as error:
        sys.stderr.write(f"cannot tell: {type(error).__name__}\n")
        return 1
    sys.stdout.write("alive\n" if alive else "no sign of life\n")
    return 0 if alive else 1


async def shows_life(settings: Settings) -> bool:
    """Whether a worker of this host was seen within ``worker_timeout_seconds``."""
    since = datetime.now(UTC) - timedelta(seconds=settings.worker_timeout_seconds)
    database = Database(settings)
    try:
        async with database.reading() as session:
            found = await session.scalar(
                select(func.count()).where(
                    Worker.host == socket.gethostname()[:100], Worker.seen_at >= since
                )
            )
    finally:
        await database.close()
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
