"""Several addresses at once."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from sqlalchemy import select

from dfedge.escalation import wire
from dfedge.escalation.wire import State
from dfedge_server.db.models import Batch, Escalation
from dfedge_server.escalations.intake import check_submission, digest
from dfedge_server.escalations.service import submit_all
from dfedge_server.escalations.views import SHOWN, view_all
from dfedge_server.problems import ProblemError
from dfedge_server.security.principal import Principal
from dfedge_server.services import Services


async def submit_batch(
    services: Services,
    principal: Principal,
    request: wire.BatchRequest,
    *,
    idempotency_key: str | None,
    traceparent: str | None,
) -> UUID:
    """Accept all addresses of a batch or none, and tell the batch's identity.

    Raises:
        ProblemError: an item does not fit, the queue has no room for all, or the idempotency key
            was used for another request.
    """
    for index, item in enumerate(request.items):
        if item.kind != "url":
            raise ProblemError(
                "invalid_request",
                f"items[{index}].kind is {item.kind}; a batch holds addresses (kind url), "
                "send media by POST /v1/escalations.",
            )
        check_submission(item, services.settings)
    sha256 = digest(request)
    keys: list[str | None] = [None] * len(request.items)
    if idempotency_key is not None:
        keys = [f"batch {idempotency_key} {index}" for index in range(len(request.items))]
        earlier = await _earlier(services, principal, f"batch {idempotency_key} ", sha256)
        if earlier is not None:
            return earlier
    batch_id = await submit_all(
        services,
        principal,
        request.items,
        keys=keys,
        request_sha256=sha256,
        traceparent=traceparent,
    )
    assert batch_id is not None
    return batch_id


async def view_batch(
    services: Services, principal: Principal, batch_id: UUID, *, base_url: str
) -> wire.Batch:
    """A batch and where its escalations stand, in the order they were sent.

    Raises:
        ProblemError: there is none; another tenant's is none.
    """
    async with services.db.reading() as session:
        batch = await session.scalar(
            select(Batch).where(Batch.id == batch_id, Batch.tenant == principal.tenant)
        )
    if batch is None:
        raise ProblemError("not_found", "There is no such batch; it may have been deleted.")
    query = SHOWN.where(Escalation.batch_id == batch_id).order_by(Escalation.id)
    items = await view_all(services, query, base_url=base_url)
    counts = Counter(item.state for item in items)
    return wire.Batch(
        id=batch.id,
        created_at=batch.created_at,
        counts={state: counts[state] for state in State},
        items=items,
    )


async def _earlier(
    services: Services, principal: Principal, prefix: str, sha256: str
) -> UUID | None:
    """The batch that was made with the same idempotency key."""
    query = select(Escalation).where(
        Escalation.tenant == principal.tenant,
        Escalation.idempotency_key.startswith(prefix, autoescape=True),
    )
    async with services.db.reading() as session:
        row = await session.scalar(query.limit(1))
    if row is None:
        return None
    if row.request_sha256 != sha256:
        raise ProblemError("idempotency_conflict")
    return row.batch_id
