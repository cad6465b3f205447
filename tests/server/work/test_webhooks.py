"""Webhooks arrive signed, are sent again until they are taken, and go nowhere private."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import select
from tests.server.conftest import with_settings

from dfedge.errors import UsageError
from dfedge_server.db.models import WebhookDelivery
from dfedge_server.services import Services
from dfedge_server.settings import Settings
from dfedge_server.work import webhooks
from dfedge_server.work import worker as worker_module
from dfedge_server.work.posting import post

from .conftest import MadeTier, accept, ended, until, working

KEY = b"0123456789abcdef01234567"
SECRET = "whsec_" + base64.b64encode(KEY).decode()


class Receiver(ThreadingHTTPServer):
    """A client's server; answers each request with the next of ``statuses``, then 204."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}/hook?of=a%20client"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """It listens while the test lasts."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a known secret, and webhooks into this machine."""
    return with_settings(settings, webhook_secret=SECRET, allow_private_addresses=True)


@pytest.mark.anyio
async def test_a_webhook_is_signed_and_sent_until_it_is_taken(
    services: Services, tier: MadeTier, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same event, with one identity and a signature that holds, until the answer is 2xx."""
    monkeypatch.setattr(webhooks, "FIRST_DELAY_SECONDS", 0.1)
    receiver.statuses = [500, 302]
    async with working(services, tier):
        job_id = await accept(services, webhook_url=receiver.url)
        await ended(services, job_id)

        async def taken() -> bool:
            async with services.db.reading() as session:
                found = await session.scalar(select(WebhookDelivery))
            return found is not None and found.delivered_at is not None

        await until(taken)
    assert 3 == len(receiver.got)
    assert 1 == len({headers["webhook-id"] for headers, _ in receiver.got})
    for headers, body in receiver.got:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
        assert f"v1,{expected}" == headers["webhook-signature"]
        assert ("done", "NO_FACE") == (
            json.loads(body)["state"],
            json.loads(body)["verdict"]["label"],
        )
    delivery = await _delivery(services)
    assert (3, None) == (delivery.attempts, delivery.last_problem)


@pytest.mark.anyio
async def test_an_event_is_told_once(services: Services, receiver: Receiver) -> None:
    """However often a job is announced, each of its escalations has one delivery."""
    job_id = await accept(services, webhook_url=receiver.url, state="done", enqueue=False)
    for _ in range(3):
        await webhooks.announce(services, job_id)
    await webhooks.sweep(services)
    async with services.db.reading() as session:
        assert 1 == len(list(await session.scalars(select(WebhookDelivery))))


@pytest.mark.anyio
async def test_a_lost_delivery_is_found(
    services: Services, tier: MadeTier, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that ended while its worker died is announced by the sweep."""
    monkeypatch.setattr(worker_module, "SWEEP_SECONDS", 0.2)
    await accept(services, webhook_url=receiver.url, state="done", enqueue=False)
    async with working(services, tier):

        async def arrived() -> bool:
            return bool(receiver.got)

        await until(arrived)


@pytest.mark.anyio
async def test_a_day_without_success_is_enough(
    services: Services, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up with the reason kept."""
    monkeypatch.setattr(webhooks, "GIVE_UP_HOURS", 0)
    receiver.statuses = [503]
    job_id = await accept(services, webhook_url=receiver.url, state="done", enqueue=False)
    await webhooks.announce(services, job_id)
    delivery = await _delivery(services)
    assert "given up" == await webhooks.deliver(services, delivery.id, 0)
    delivery = await _delivery(services)
    assert ("answers HTTP 503", 1) == (delivery.last_problem, delivery.attempts)
    assert delivery.given_up_at is not None
    assert "nothing to do" == await webhooks.deliver(services, delivery.id, 1)


async def _delivery(services: Services) -> WebhookDelivery:
    async with services.db.reading() as session:
        found = await session.scalar(select(WebhookDelivery))
    assert found is not None
    return found


def test_a_webhook_does_not_reach_into_the_network(receiver: Receiver) -> None:
    """A private address is refused before anything is sent, unless it is allowed."""
    problem = post(receiver.url, b"{}", {}, allow_private=False)
    assert "leads to a private or local network (allow_private_addresses is off)" == problem
    assert [] == receiver.got


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    """It could lead anywhere."""
    receiver.statuses = [307]
    problem = post(receiver.url, b"{}", {}, allow_private=True)
    assert "answers HTTP 307: redirects are not followed" == problem
    assert 1 == len(receiver.got)


def test_a_server_that_is_away_is_a_problem() -> None:
    """Nothing listens there."""
    problem = post("http://127.0.0.1:1/", b"{}", {}, allow_private=True)
    assert problem is not None
    assert "Connection refused" in problem


def test_a_secret_is_made_once_and_kept(settings: Settings) -> None:
    """Without a setting every start finds the same secret, readable by its owner alone."""
    own = with_settings(settings, webhook_secret="")
    first = webhooks.load_secret(own)
    assert 24 == len(first)
    assert first == webhooks.load_secret(own)
    assert 0o600 == (own.data_dir / "webhook_secret").stat().st_mode & 0o777


@pytest.mark.parametrize("text", ["whsec_short", "whsec_!!!", "whsec_" + "YQ=="])
def test_a_weak_secret_is_refused(settings: Settings, text: str) -> None:
    """A secret that is no base64, or under 16 bytes, is a mistake to be told."""
    with pytest.raises(UsageError, match="webhook_secret"):
        webhooks.load_secret(with_settings(settings, webhook_secret=text))
