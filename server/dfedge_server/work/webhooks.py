"""Webhooks: telling an address that an escalation has ended, signed, until it says that it knows.

They follow Standard Webhooks (standardwebhooks.com): headers ``webhook-id``, ``webhook-timestamp``
and ``webhook-signature``. The identity stays over all attempts; time and signature are new each
time. An attempt is a workflow of its own, queued with a delay, so nothing waits in memory.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import os
import secrets
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from sqlalchemy import Select, exists, or_, select
from sqlalchemy.exc import IntegrityError

from dfedge.errors import UsageError
from dfedge.escalation.wire import FINAL
from dfedge_server.db.models import Escalation, Job, WebhookDelivery
from dfedge_server.services import Services
from dfedge_server.settings import Settings
from dfedge_server.work.posting import post
from dfedge_server.work.queue import delivery_workflow

ENDED: Final = "escalation.ended"
"""The one event there is."""

GIVE_UP_HOURS: Final = 24
FIRST_DELAY_SECONDS: Final = 5.0
LONGEST_DELAY_SECONDS: Final = 3600.0
SWEEP_MINUTES: Final = 1
BATCH: Final = 200

_PREFIX: Final = "whsec_"
_log = logging.getLogger(__name__)


def load_secret(settings: Settings) -> bytes:
    """The key of the signatures; made and kept in ``data_dir`` where none is set.

    Raises:
        UsageError: it is no base64, or the folder cannot be written.
    """
    text = settings.webhook_secret.get_secret_value()
    if not text:
        text = _kept_secret(settings)
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if len(key) < 16:
        raise UsageError(
            "setting webhook_secret: must be whsec_ and at least 16 random bytes as base64; "
            "make one with: echo whsec_$(openssl rand -base64 24)"
        )
    return key


def sign(key: bytes, identity: str, timestamp: int, body: bytes) -> str:
    """The value of ``webhook-signature``: HMAC-SHA256 over identity, time and body."""
    signed = f"{identity}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


async def announce(services: Services, job_id: UUID) -> None:
    """Queue the webhooks of a job that has ended, each once."""
    query = _unannounced().where(Job.id == job_id)
    async with services.db.reading() as session:
        escalations = list(await session.scalars(query))
    for escalation_id in escalations:
        await _announce(services, escalation_id)


async def sweep(services: Services) -> None:
    """Queue webhooks that a crash or a job done before has left, and attempts in no queue."""
    async with services.db.reading() as session:
        escalations = list(await session.scalars(_unannounced().limit(BATCH)))
        before = datetime.now(UTC) - timedelta(minutes=SWEEP_MINUTES)
        unsent = select(WebhookDelivery).where(
            WebhookDelivery.delivered_at.is_(None),
            WebhookDelivery.given_up_at.is_(None),
            WebhookDelivery.updated_at < before,
        )
        deliveries = list(await session.scalars(unsent.limit(BATCH)))
    for escalation_id in escalations:
        await _announce(services, escalation_id)
    names = {delivery_workflow(one.id, one.attempts): one for one in deliveries}
    known = await services.queue.waiting(names)
    for name, delivery in names.items():
        if name not in known:
            await services.queue.enqueue_delivery(delivery.id, attempt=delivery.attempts)


async def deliver(services: Services, delivery_id: UUID, attempt: int) -> str:
    """Send a webhook once; queue the next attempt where it did not arrive."""
    async with services.db.reading() as session:
        delivery = await session.get(WebhookDelivery, delivery_id)
        if delivery is None or delivery.delivered_at or delivery.given_up_at:
            return "nothing to do"
        if delivery.attempts != attempt:
            return "another attempt"
        escalation = await session.get(Escalation, delivery.escalation_id)
    if escalation is None or escalation.webhook_url is None:
        return "nothing to do"
    told = await _told(services, escalation.id)
    if told is None:
        return "nothing to do"
    problem = await _send(services, escalation.webhook_url, told, delivery_id)
    return await _note(services, delivery_id, problem)


async def _told(services: Services, escalation_id: UUID) -> bytes | None:
    """The escalation as the API tells it; None where it is deleted."""
    from dfedge_server.escalations.views import view

    settings = services.settings
    base_url = settings.public_url or f"http://{settings.host}:{settings.port}"
    told = await view(services, escalation_id, base_url=base_url)
    return None if told is None else msgspec.json.encode(told)


async def _send(services: Services, url: str, body: bytes, delivery_id: UUID) -> str | None:
    """Post it; None where it was taken, else why not."""
    settings = services.settings
    identity, timestamp = f"msg_{delivery_id}", int(datetime.now(UTC).timestamp())
    key = await asyncio.to_thread(load_secret, settings)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": identity,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(key, identity, timestamp, body),
    }
    return await asyncio.to_thread(
        post,
        url,
        body,
        headers,
        allow_private=settings.allow_private_addresses,
    )


async def _note(services: Services, delivery_id: UUID, problem: str | None) -> str:
    """Keep what came of an attempt, and queue the next where one is due."""
    now = datetime.now(UTC)
    async with services.db.session() as session:
        delivery = await session.get(WebhookDelivery, delivery_id, with_for_update=True)
        if delivery is None:
            return "nothing to do"
        delivery.attempts += 1
        delivery.last_problem = None if problem is None else problem[:300]
        if problem is None:
            delivery.delivered_at = now
            return "delivered"
        if now - delivery.created_at > timedelta(hours=GIVE_UP_HOURS):
            delivery.given_up_at = now
            _log.warning("webhook %s given up: %s", delivery_id, problem)
            return "given up"
        attempt = delivery.attempts
    delay = min(FIRST_DELAY_SECONDS * 2 ** (attempt - 1), LONGEST_DELAY_SECONDS)
    await services.queue.enqueue_delivery(delivery_id, attempt=attempt, delay_seconds=delay)
    return "to be sent again"


async def _announce(services: Services, escalation_id: UUID) -> None:
    delivery = WebhookDelivery(escalation_id=escalation_id, event=ENDED)
    try:
        async with services.db.session() as session:
            session.add(delivery)
    except IntegrityError:
        return  # another process was quicker, or the escalation was deleted
    await services.queue.enqueue_delivery(delivery.id, attempt=0)


def _unannounced() -> Select[UUID]:
    """Escalations that have ended, want to tell, and have not begun to."""
    return (
        select(Escalation.id)
        .join(Job, Job.id == Escalation.job_id)
        .where(
            Escalation.webhook_url.is_not(None),
            or_(Job.state.in_(FINAL), Escalation.cancelled_at.is_not(None)),
            ~exists().where(WebhookDelivery.escalation_id == Escalation.id),
        )
    )


def _kept_secret(settings: Settings) -> str:
    path = settings.data_dir / "webhook_secret"
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(path, "x", opener=_private) as file:
            file.write(_PREFIX + base64.b64encode(secrets.token_bytes(24)).decode() + "\n")
    except FileExistsError:
        pass
    except OSError as error:
        raise UsageError(f"setting data_dir: {path} cannot be written ({error.strerror})") from None
    return path.read_text().strip()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
