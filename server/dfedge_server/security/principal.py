"""Who asks: what a key or a signed-in session stands for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Scope(StrEnum):
    """What a key may do; ``admin`` may do everything, on its tenant's data and the server's."""

    ESCALATE = "escalate"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a request; ``request.user``.

    Attributes:
        key_id: None for a caller without a key, where that is allowed.
        who: fit for the audit log and beside overrides: prefix and name of the key, or an
            analyst's name.
        tenant: whose data it may see; no other's.
        requests_per_minute: of this key; None for the server's default.
    """

    key_id: UUID | None
    who: str
    tenant: str
    scopes: frozenset[Scope]
    requests_per_minute: int | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the scope, or ``admin``, is among its own."""
        return scope in self.scopes or Scope.ADMIN in self.scopes
