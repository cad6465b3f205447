"""The rows of what is asked, written in one transaction.

The unique constraints of the tables decide between requests that come at once: the loser's
transaction fails, and is tried again when the winner's rows are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update
from uuid_utils.compat import uuid7

from dfedge.escalation.wire import Stage, State, Submission
from dfedge_server.db.models import Batch, Escalation, Job
from dfedge_server.escalations import room
from dfedge_server.escalations.uploads import StoredPart
from dfedge_server.problems import ProblemError
from dfedge_server.security.principal import Principal
from dfedge_server.settings import Settings

_WAITING: Final = msgspec.to_builtins(Stage(name="waiting"))

_EARLIER: Final = (
    select(
        Escalation.id,
        Escalation.request_sha256,
        Escalation.batch_id,
        Escalation.job_id,
        Escalation.webhook_url,
        Job.state,
    )
    .join(Job, Job.id == Escalation.job_id)
    .where(Escalation.tenant == bindparam("tenant"), Escalation.idempotency_key == bindparam("key"))
)
_SAME: Final = (
    select(Job.id, Job.state)
    .where(
        Job.tenant == bindparam("tenant"),
        Job.input_sha256 == bindparam("input"),
        Job.policy_sha256 == bindparam("policy"),
    )
    .with_for_update()
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A submission, ready to become rows.

    Attributes:
        job_id: of the job to be made, if one is; its media lies there, or will.
        lacks_media: its media is not stored yet, so no job may be made.
    """

    submission: Submission
    media: Mapping[str, StoredPart]
    job_id: UUID
    lacks_media: bool
    input_sha256: str
    policy_sha256: str
    request_sha256: str
    idempotency_key: str | None
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Placed:
    """What became of it.

    Attributes:
        ahead: unfinished jobs of the tenant; None where no job was made.
        state: the job's.
    """

    id: UUID
    job_id: UUID
    batch_id: UUID | None
    state: State
    webhook_url: str | None
    ahead: int | None


class MediaWantedError(Exception):
    """A job is to be made, and so its media must be stored first; nothing was written."""


def place_all(
    connection: Connection,
    settings: Settings,
    principal: Principal,
    asked: Sequence[Asked],
    *,
    as_batch: bool,
) -> list[Placed]:
    """Write the rows.

    Raises:
        IntegrityError: another request was faster; call it again in a new transaction.
        MediaWantedError: for one that ``lacks_media``.
        ProblemError: the queue is full, or an idempotency key was used for another request.
    """
    batch_id = None
    if as_batch:
        batch_id = uuid7()
        connection.execute(insert(Batch), {"id": batch_id, "tenant": principal.tenant})
    placed = [_place(connection, settings, principal, one, batch_id) for one in asked]
    if placed[0].batch_id != batch_id:
        connection.execute(delete(Batch).where(Batch.id == batch_id))  # sent twice at once
    return placed


def _place(
    connection: Connection,
    settings: Settings,
    principal: Principal,
    asked: Asked,
    batch_id: UUID | None,
) -> Placed:
    if asked.idempotency_key is not None:
        values = {"tenant": principal.tenant, "key": asked.idempotency_key}
        earlier = connection.execute(_EARLIER, values).one_or_none()
        if earlier is not None:
            return _as_before(earlier, asked)
    job_id, state, ahead = asked.job_id, State.QUEUED, None
    same = _same_job(connection, principal, asked)
    if same is None:
        ahead = room.find(connection, settings, principal.tenant)
        if asked.lacks_media:
            raise MediaWantedError
        connection.execute(insert(Job), _job(principal, asked))
    else:
        job_id, state = same.id, State(same.state)
    row = _escalation(principal, asked, job_id, settings, batch_id) | {"reused": ahead is None}
    connection.execute(insert(Escalation), row)
    return Placed(row["id"], job_id, batch_id, state, row["webhook_url"], ahead)


def _as_before(earlier: Row[*tuple[Any, ...]], asked: Asked) -> Placed:
    """The answer to the same request, sent again."""
    if earlier.request_sha256 != asked.request_sha256:
        raise ProblemError("idempotency_conflict")
    return Placed(
        id=earlier.id,
        job_id=earlier.job_id,
        batch_id=earlier.batch_id,
        state=State(earlier.state),
        webhook_url=earlier.webhook_url,
        ahead=None,
    )


def _same_job(
    connection: Connection, principal: Principal, asked: Asked
) -> Row[*tuple[Any, ...]] | None:
    """The job that judges, or has judged, the same; one that failed gives up its place."""
    values = {
        "tenant": principal.tenant,
        "input": asked.input_sha256,
        "policy": asked.policy_sha256,
    }
    job = connection.execute(_SAME, values).one_or_none()
    if job is not None and job.state in (State.FAILED, State.CANCELLED):
        # Half as long as a hash, so never the same as one.
        gives_up = update(Job).where(Job.id == job.id).values(input_sha256=job.id.hex)
        connection.execute(gives_up)
        return None
    return job


def _job(principal: Principal, asked: Asked) -> dict[str, Any]:
    submission = msgspec.structs.replace(asked.submission, webhook=None)
    return {
        "id": asked.job_id,
        "tenant": principal.tenant,
        "input_sha256": asked.input_sha256,
        "policy_sha256": asked.policy_sha256,
        "state": State.QUEUED.value,
        "kind": submission.kind,
        "submission": msgspec.to_builtins(submission),
        "media": {name: part.key for name, part in asked.media.items()},
        "stage": _WAITING,
        "traceparent": asked.traceparent,
    }


def _escalation(
    principal: Principal, asked: Asked, job_id: UUID, settings: Settings, batch_id: UUID | None
) -> dict[str, Any]:
    submission = asked.submission
    device = submission.device_verdict
    keep = submission.keep and settings.retention_days > 0
    days = settings.retention_days if keep else settings.result_days
    return {
        "id": uuid7(),
        "tenant": principal.tenant,
        "key_id": principal.key_id,
        "job_id": job_id,
        "name": submission.name,
        "idempotency_key": asked.idempotency_key,
        "request_sha256": asked.request_sha256,
        "batch_id": batch_id,
        "webhook_url": submission.webhook.url if submission.webhook else None,
        "keep": keep,
        "device_label": device.label.value if device else None,
        "expires_at": datetime.now(UTC) + timedelta(days=days),
    }
