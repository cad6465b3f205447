"""How much room the queue has, and when to ask again when it has none."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, case, func, select

from dfedge.escalation.wire import State
from dfedge_server.db.models import Job
from dfedge_server.problems import ProblemError
from dfedge_server.settings import Settings

UNFINISHED: Final = (State.QUEUED.value, State.RUNNING.value)

_RECENT: Final = timedelta(minutes=1)
_LONGEST_SECONDS: Final = 60


def find(connection: Connection, settings: Settings, tenant: str) -> int:
    """Room for one more job: the unfinished jobs of its tenant.

    On PostgreSQL requests that come at once may each find the last place, so the queue can be over
    its bound by as many as come at once.

    Raises:
        ProblemError: there is none; ``Retry-After`` says when there may be.
    """
    own = func.coalesce(func.sum(case((Job.tenant == tenant, 1), else_=0)), 0)
    query = select(func.count(), own).select_from(Job).where(Job.state.in_(UNFINISHED))
    total, mine = connection.execute(query).one()
    if total >= settings.max_queue:
        full = f"{total} jobs are waiting or running, as many as this server takes"
    elif mine >= settings.max_queue_per_tenant:
        full = f"{mine} of your jobs are waiting or running, as many as one tenant may have"
    else:
        return int(mine)
    seconds = _seconds_a_job(connection)
    raise ProblemError(
        "queue_full",
        f"{full}. Ask again in {seconds} s.",
        headers={"Retry-After": str(seconds)},
    )


def _seconds_a_job(connection: Connection) -> int:
    """At the pace of the last minute."""
    since = datetime.now(UTC) - _RECENT
    done = connection.scalar(select(func.count()).select_from(Job).where(Job.finished_at >= since))
    return min(_LONGEST_SECONDS, math.ceil(_RECENT.total_seconds() / max(1, done or 0)))
