"""What people say of a verdict: an analyst's override, a user's feedback."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from dfedge.escalation.wire import Feedback, NewOverride, State
from dfedge_server.db.models import FeedbackRow, Override
from dfedge_server.escalations.service import get
from dfedge_server.escalations.views import state_of
from dfedge_server.problems import ProblemError
from dfedge_server.security.audit import record
from dfedge_server.security.principal import Principal
from dfedge_server.services import Services


async def override(
    services: Services, principal: Principal, escalation_id: UUID, said: NewOverride
) -> None:
    """Add what an analyst makes of it; what was said before stays.

    Raises:
        ProblemError: there is no such escalation, or it has no verdict.
    """
    await _get_done(services, principal, escalation_id)
    _refuse_nul(said.note)
    async with services.db.session() as session:
        session.add(
            Override(
                escalation_id=escalation_id,
                label=said.label.value,
                note=said.note,
                by=principal.who[:100],
            )
        )
        record(
            session,
            actor=principal.who,
            action="escalation.overridden",
            subject=str(escalation_id),
            tenant=principal.tenant,
            label=said.label.value,
        )


async def feedback(
    services: Services, principal: Principal, escalation_id: UUID, said: Feedback
) -> None:
    """Keep what a user says of a verdict.

    Raises:
        ProblemError: there is no such escalation, or it has no verdict.
    """
    await _get_done(services, principal, escalation_id)
    _refuse_nul(said.note)
    async with services.db.session() as session:
        session.add(
            FeedbackRow(
                escalation_id=escalation_id,
                mistake=said.mistake.value,
                note=said.note,
                key_id=principal.key_id,
            )
        )


async def feedback_of(services: Services, escalation_id: UUID) -> Sequence[FeedbackRow]:
    """What users said of a verdict, newest first; whose it is, the caller has checked."""
    query = select(FeedbackRow).where(FeedbackRow.escalation_id == escalation_id)
    async with services.db.reading() as session:
        return (await session.scalars(query.order_by(FeedbackRow.created_at.desc()))).all()


async def _get_done(services: Services, principal: Principal, escalation_id: UUID) -> None:
    state = state_of(await get(services, principal, escalation_id))
    if state is not State.DONE:
        raise ProblemError(
            "not_finished", f"Its state is {state}, so there is no verdict to speak of."
        )


def _refuse_nul(text: str) -> None:
    if "\0" in text:
        raise ProblemError("invalid_request", "The note holds the character U+0000; leave it out.")
