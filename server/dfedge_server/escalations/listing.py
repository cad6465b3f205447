"""Lists of escalations: newest first, page by page, filtered."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, not_, tuple_

from dfedge.escalation import wire
from dfedge.escalation.wire import State
from dfedge.verdict import Label
from dfedge_server.db.models import Escalation, Job
from dfedge_server.escalations.views import SHOWN, view_all
from dfedge_server.problems import ProblemError
from dfedge_server.security.principal import Principal
from dfedge_server.services import Services

MAX_PAGE: Final = 100


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What is wanted; None for everything.

    Attributes:
        label: of the verdict, as models gave it.
        since, until: time of asking: from the first on, before the second; with a time zone.
        name: letters of the name, upper or lower case.
        overridden: whether an analyst has decided otherwise or the same.
    """

    state: State | None = None
    label: Label | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    name: str | None = None
    batch: UUID | None = None
    overridden: bool | None = None


async def list_page(
    services: Services,
    principal: Principal,
    filters: Filters,
    *,
    limit: int = 20,
    cursor: str | None = None,
    base_url: str,
) -> tuple[tuple[wire.Escalation, ...], str | None]:
    """One page of the caller's tenant, and the cursor of the next.

    A cursor names the last row that was seen, so pages neither repeat nor skip when others are
    added or deleted meanwhile.

    Args:
        limit: rows of the page, 1 to :data:`MAX_PAGE`.

    Raises:
        ProblemError: the cursor is none of ours.
    """
    query = (
        SHOWN.where(Escalation.tenant == principal.tenant, *_conditions(filters))
        .order_by(Escalation.created_at.desc(), Escalation.id.desc())
        .limit(limit + 1)
    )
    if cursor is not None:
        created_at, last = _read_cursor(cursor)
        here = tuple_(Escalation.created_at, Escalation.id)
        there = tuple_(created_at, last, types=[Escalation.created_at.type, Escalation.id.type])
        query = query.where(here < there)
    found = await view_all(services, query, base_url=base_url)
    if len(found) <= limit:
        return found, None
    return found[:limit], _write_cursor(found[limit - 1])


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    cancelled = Escalation.cancelled_at.is_not(None)
    if filters.state is State.CANCELLED:
        found.append(cancelled | (Job.state == State.CANCELLED.value))
    elif filters.state is not None:
        found.append(and_(not_(cancelled), Job.state == filters.state.value))
    if filters.label is not None:
        found.append(not_(cancelled))
        found.append(Job.verdict["label"].as_string() == filters.label.value)
    if filters.kind is not None:
        found.append(Job.kind == filters.kind)
    if filters.since is not None:
        found.append(Escalation.created_at >= filters.since)
    if filters.until is not None:
        found.append(Escalation.created_at < filters.until)
    if filters.name:
        found.append(Escalation.name.icontains(filters.name, autoescape=True))
    if filters.batch is not None:
        found.append(Escalation.batch_id == filters.batch)
    if filters.overridden is not None:
        decided = Escalation.overrides.any()
        found.append(decided if filters.overridden else not_(decided))
    return found


def _write_cursor(row: wire.Escalation) -> str:
    text = f"{row.created_at.isoformat()} {row.id.hex}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        created_at, _, last = text.partition(" ")
        moment = datetime.fromisoformat(created_at)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
        return moment, UUID(hex=last)
    except (ValueError, binascii.Error):
        raise ProblemError(
            "invalid_request",
            "The cursor is not one that a list gave: begin without one.",
        ) from None
