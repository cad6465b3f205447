"""How ``dfedge keys`` tells of keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dfedge.report.wording import printable

if TYPE_CHECKING:
    from dfedge_server.db.models import ApiKey


_COLUMNS = ("KEY", "NAME", "TENANT", "SCOPES", "A MINUTE", "MADE", "LAST USED", "EXPIRES", "STATE")


def described(row: ApiKey) -> str:
    """A key in one line."""
    until = "" if row.expires_at is None else f", until {minute(row.expires_at)}"
    name, tenant = printable(row.name), printable(row.tenant)
    return f"{row.prefix} ({name}) of tenant {tenant}: {', '.join(row.scopes)}{until}"


def values(row: ApiKey) -> dict[str, Any]:
    """A key as JSON; its secret is not known."""
    moments = {
        name: None if moment is None else moment.isoformat()
        for name, moment in (
            ("created_at", row.created_at),
            ("expires_at", row.expires_at),
            ("last_used_at", row.last_used_at),
            ("revoked_at", row.revoked_at),
        )
    }
    return {
        "prefix": row.prefix,
        "name": row.name,
        "tenant": row.tenant,
        "scopes": row.scopes,
        "requests_per_minute": row.requests_per_minute,
        "state": _state(row),
        **moments,
    }


def table(rows: Sequence[ApiKey]) -> str:
    """A line for each key in columns of equal width; the first line names them."""
    lines = [_COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def minute(moment: datetime | None) -> str:
    """A moment to the minute."""
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def _cells(row: ApiKey) -> tuple[str, ...]:
    return (
        row.prefix,
        printable(row.name),
        printable(row.tenant),
        " ".join(row.scopes),
        "default" if row.requests_per_minute is None else str(row.requests_per_minute),
        minute(row.created_at),
        minute(row.last_used_at),
        minute(row.expires_at),
        _state(row),
    )


def _state(row: ApiKey) -> str:
    if row.revoked_at is not None:
        return "revoked"
    expired = row.expires_at is not None and row.expires_at <= datetime.now(UTC)
    return "expired" if expired else "works"
