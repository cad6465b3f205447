"""The record of who did what; no media, no secrets."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from dfedge_server.db.models import AuditEvent


def record(
    session: AsyncSession,
    *,
    actor: str,
    action: str,
    subject: str = "",
    tenant: str = "",
    **details: Any,
) -> None:
    """Add an event to the transaction in hand, so that it is kept exactly when the deed is."""
    session.add(
        AuditEvent(actor=actor, action=action, subject=subject, tenant=tenant, details=details)
    )
