"""The tables. Times are UTC; large things are blobs elsewhere, named by key.

An escalation is what a client asked for; a job is the work it needs. Two escalations of one tenant
with the same bytes and the same models share a job, so the same bytes are computed once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from advanced_alchemy.base import UUIDv7AuditBase, UUIDv7Base
from advanced_alchemy.types import DateTimeUTC
from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship


class ApiKey(UUIDv7AuditBase):
    """A key; of its secret only a hash is kept."""

    __tablename__ = "api_key"

    name: Mapped[str] = mapped_column(String(100))
    tenant: Mapped[str] = mapped_column(String(64), index=True)
    prefix: Mapped[str] = mapped_column(String(16), unique=True)
    """The part of the key that is no secret, by which it is found and shown."""
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the whole key, hexadecimal: its secret is 256 random bits, so no slow hash."""
    scopes: Mapped[list[str]] = mapped_column(JSON)
    """Of ``escalate``, ``read``, ``admin``."""
    requests_per_minute: Mapped[int | None]
    expires_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True))


class Job(UUIDv7AuditBase):
    """The work on one input; its id is that of its durable workflow."""

    __tablename__ = "job"
    __table_args__ = (
        UniqueConstraint("tenant", "input_sha256", "policy_sha256", name="uq_job_same_input"),
        Index("ix_job_state", "state", "created_at"),
    )

    tenant: Mapped[str] = mapped_column(String(64), index=True)
    input_sha256: Mapped[str] = mapped_column(String(64))
    """Of what is judged: media bytes, and what the manifest says of crops; for an address, which
    may change what it serves, of a random number."""
    policy_sha256: Mapped[str] = mapped_column(String(64))
    """Of the models, weights and frames that judge it."""
    state: Mapped[str] = mapped_column(String(16), default="queued")
    """A value of :class:`dfedge.escalation.wire.State`."""
    kind: Mapped[str] = mapped_column(String(8))
    submission: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The manifest as it was sent, without its webhook."""
    media: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)
    """Part name -> blob key; emptied when the media is deleted."""
    stage: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    """A :class:`dfedge.escalation.wire.Stage`."""
    verdict: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    thresholds: Mapped[dict[str, float] | None] = mapped_column(JSON)
    """:class:`dfedge.escalation.wire.Thresholds` of the verdict, once there is one."""
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    notes: Mapped[list[str]] = mapped_column(JSON, default=list)
    attempts: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None] = mapped_column(String(64))
    traceparent: Mapped[str | None] = mapped_column(String(64))
    """W3C trace context of the request that asked first: its trace goes on in the worker."""
    started_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True))
    media_deleted_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True))

    escalations: Mapped[list[Escalation]] = relationship(back_populates="job", lazy="raise")
    evidence: Mapped[list[Evidence]] = relationship(lazy="raise", cascade="all, delete-orphan")


class Escalation(UUIDv7AuditBase):
    """What a client asked for."""

    __tablename__ = "escalation"
    __table_args__ = (
        UniqueConstraint("tenant", "idempotency_key", name="uq_escalation_idempotency"),
        Index("ix_escalation_list", "tenant", "created_at"),
    )

    tenant: Mapped[str] = mapped_column(String(64))
    key_id: Mapped[UUID | None] = mapped_column(ForeignKey("api_key.id", ondelete="SET NULL"))
    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(200), default="")
    cancelled_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True))
    """The state is then ``cancelled``, whatever the job does for others."""
    reused: Mapped[bool] = mapped_column(default=False)
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    request_sha256: Mapped[str] = mapped_column(String(64))
    """Of the whole request: the same idempotency key with another request is refused."""
    batch_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("batch.id", ondelete="SET NULL"), index=True
    )
    webhook_url: Mapped[str | None] = mapped_column(String(2048))
    keep: Mapped[bool] = mapped_column(default=True)
    device_label: Mapped[str | None] = mapped_column(String(16))
    expires_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), index=True)

    job: Mapped[Job] = relationship(back_populates="escalations", lazy="joined", innerjoin=True)
    overrides: Mapped[list[Override]] = relationship(
        lazy="selectin", cascade="all, delete-orphan", order_by="Override.created_at.desc()"
    )


class Batch(UUIDv7AuditBase):
    """Escalations that were asked for together."""

    __tablename__ = "batch"

    tenant: Mapped[str] = mapped_column(String(64), index=True)


class Evidence(UUIDv7Base):
    """A picture behind a verdict."""

    __tablename__ = "evidence"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    blob: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(32))
    track_id: Mapped[int]
    frame_index: Mapped[int | None]
    pts_seconds: Mapped[float | None]
    model: Mapped[str | None] = mapped_column(String(64))


class Override(UUIDv7AuditBase):
    """What an analyst made of an escalation; never changed, only followed by another."""

    __tablename__ = "override"

    escalation_id: Mapped[UUID] = mapped_column(
        ForeignKey("escalation.id", ondelete="CASCADE"), index=True
    )
    label: Mapped[str] = mapped_column(String(16))
    note: Mapped[str] = mapped_column(Text, default="")
    by: Mapped[str] = mapped_column(String(100))


class FeedbackRow(UUIDv7AuditBase):
    """What a user said of a verdict."""

    __tablename__ = "feedback"

    escalation_id: Mapped[UUID] = mapped_column(
        ForeignKey("escalation.id", ondelete="CASCADE"), index=True
    )
    mistake: Mapped[str] = mapped_column(String(32))
    note: Mapped[str] = mapped_column(Text, default="")
    key_id: Mapped[UUID | None] = mapped_column(ForeignKey("api_key.id", ondelete="SET NULL"))


class WebhookDelivery(UUIDv7AuditBase):
    """A webhook that was or will be sent."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (UniqueConstraint("escalation_id", "event", name="uq_webhook_once"),)

    escalation_id: Mapped[UUID] = mapped_column(
        ForeignKey("escalation.id", ondelete="CASCADE"), index=True
    )
    event: Mapped[str] = mapped_column(String(32))
    attempts: Mapped[int] = mapped_column(default=0)
    delivered_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True))
    given_up_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True))
    last_problem: Mapped[str | None] = mapped_column(String(300))


class AuditEvent(UUIDv7AuditBase):
    """Who did what; no media, no secrets."""

    __tablename__ = "audit_event"
    __table_args__ = (Index("ix_audit_time", "created_at"),)

    tenant: Mapped[str] = mapped_column(String(64), default="")
    actor: Mapped[str] = mapped_column(String(100))
    """Prefix and name of a key, ``command line``, or ``server``."""
    action: Mapped[str] = mapped_column(String(64))
    """Such as ``key.created``, ``escalation.deleted``, ``threshold.changed``."""
    subject: Mapped[str] = mapped_column(String(128), default="")
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class Session(UUIDv7AuditBase):
    """An analyst who is signed in; of the cookie only a hash is kept."""

    __tablename__ = "session"

    digest: Mapped[str] = mapped_column(String(64), unique=True)
    key_id: Mapped[UUID] = mapped_column(ForeignKey("api_key.id", ondelete="CASCADE"), index=True)
    who: Mapped[str] = mapped_column(String(100))
    """The name the analyst gave; stands beside overrides."""
    expires_at: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True))


class Worker(UUIDv7AuditBase):
    """A worker process and its last sign of life."""

    __tablename__ = "worker"

    executor_id: Mapped[str] = mapped_column(String(64), unique=True)
    host: Mapped[str] = mapped_column(String(100))
    pid: Mapped[int]
    seen_at: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True), index=True)
    models: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    """:class:`dfedge.escalation.wire.ModelState` of each model it answers with."""


class ServerSetting(UUIDv7AuditBase):
    """What an administrator changed while it runs, such as the threshold of ``/detect``."""

    __tablename__ = "server_setting"

    name: Mapped[str] = mapped_column(String(64), unique=True)
    value: Mapped[dict[str, Any]] = mapped_column(JSON)
