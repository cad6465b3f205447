"""The administrator's threshold: kept in the database, so that all API processes share it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from dfedge.verdict import Label, Reason
from dfedge_server.db.models import ServerSetting

_NAME: Final = "compat.threshold"
_OF_THE_SCORE: Final = frozenset(
    {
        Reason.SCORE_IN_UNSURE_BAND,
        Reason.SCORE_ABOVE_FAKE_THRESHOLD,
        Reason.SCORE_BELOW_REAL_THRESHOLD,
    }
)


async def read(session: AsyncSession) -> float | None:
    """The threshold on P(fake); None where the models' own hold."""
    value = await session.scalar(select(ServerSetting.value).where(ServerSetting.name == _NAME))
    return None if value is None else value["threshold"]


async def write(session: AsyncSession, threshold: float | None) -> float | None:
    """Keep it; gives back the one before."""
    row = await session.scalar(
        select(ServerSetting).where(ServerSetting.name == _NAME).with_for_update()
    )
    if row is None:
        session.add(ServerSetting(name=_NAME, value={"threshold": threshold}))
        return None
    before: float | None = row.value["threshold"]
    row.value = {"threshold": threshold}
    return before


def decide(
    own: Label, probability: float | None, reasons: tuple[Reason, ...], threshold: float | None
) -> tuple[Label, tuple[Reason, ...]]:
    """Label and reasons by the administrator's threshold, or the verdict's own without one.

    A verdict that is UNCERTAIN because the faces could not be judged stays so: a threshold decides
    what a score means, and there the score means nothing.
    """
    if threshold is None or probability is None:
        return own, reasons
    if own is Label.UNCERTAIN and not set(reasons) <= _OF_THE_SCORE:
        return own, reasons
    others = tuple(reason for reason in reasons if reason not in _OF_THE_SCORE)
    if probability >= threshold:
        return Label.FAKE, (Reason.SCORE_ABOVE_FAKE_THRESHOLD, *others)
    return Label.REAL, (Reason.SCORE_BELOW_REAL_THRESHOLD, *others)
