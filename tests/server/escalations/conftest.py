"""The API on a real database and real blobs, without a worker: tests write what one would."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import msgspec
import numpy as np
import pytest
from litestar import Litestar
from PIL import Image as Pillow
from sqlalchemy import func, select
from tests.server.conftest import MadeKey, MakeKey, with_settings

from dfedge import __version__
from dfedge.escalation.wire import Stage, State
from dfedge.types import Image
from dfedge.verdict import Label, Opinion, SourceInfo, Timing, Verdict
from dfedge_server.app import create_app
from dfedge_server.blobs import evidence_key
from dfedge_server.db.migrate import migrate
from dfedge_server.db.models import Escalation, Evidence, Job
from dfedge_server.services import Services
from dfedge_server.settings import Settings

BOUNDARY = "----dfedge-test"


@dataclass
class Api:
    """A running API with a key of all scopes."""

    app: Litestar
    client: httpx.AsyncClient
    key: MadeKey
    make_key: MakeKey

    @property
    def services(self) -> Services:
        """The parts behind it."""
        services: Services = self.app.state.services
        return services

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request with the key, unless the options bring headers of another."""
        headers = self.key.headers | options.pop("headers", {})
        return await self.client.request(method, path, headers=headers, **options)

    async def send(
        self, *parts: tuple[str, bytes], path: str = "/v1/escalations", **options: Any
    ) -> httpx.Response:
        """Send a form with these parts, in this order."""
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        headers = kind | options.pop("headers", {})
        return await self.ask("POST", path, content=form(*parts), headers=headers, **options)

    async def send_clip(
        self, clip: bytes, headers: Mapping[str, str] | None = None, **manifest: Any
    ) -> httpx.Response:
        """Send a clip."""
        parts = ("manifest", manifest_of(kind="clip", **manifest)), ("clip", clip)
        return await self.send(*parts, headers=dict(headers or {}))

    async def jobs(self) -> Sequence[Job]:
        """All jobs, oldest first."""
        async with self.services.db.reading() as session:
            return (await session.scalars(select(Job).order_by(Job.id))).all()

    async def escalations(self) -> Sequence[Escalation]:
        """All escalations, oldest first."""
        async with self.services.db.reading() as session:
            return (await session.scalars(select(Escalation).order_by(Escalation.id))).all()

    async def count(self, table: type[Any]) -> int:
        """Rows of a table."""
        async with self.services.db.reading() as session:
            return await session.scalar(select(func.count()).select_from(table)) or 0

    async def job_of(self, escalation_id: str) -> UUID:
        """The job behind an escalation."""
        async with self.services.db.reading() as session:
            row = await session.get(Escalation, UUID(escalation_id))
        assert row is not None
        return row.job_id

    async def finish(self, escalation_id: str, label: Label = Label.FAKE) -> None:
        """End the job behind an escalation, as a worker does, with one picture of evidence."""
        job_id = await self.job_of(escalation_id)
        key = evidence_key(job_id, "1-0.png")
        await self.services.blobs.put(key, picture_bytes())
        async with self.services.db.session() as session:
            job = await session.get(Job, job_id)
            assert job is not None
            job.state = State.DONE.value
            job.started_at = job.finished_at = datetime.now(UTC)
            job.stage = msgspec.to_builtins(Stage(name="done"))
            job.verdict = msgspec.to_builtins(made_verdict(label))
            job.notes = ["No heavier model is installed."]
            session.add(
                Evidence(job_id=job_id, kind="face", blob=key, media_type="image/png", track_id=0)
            )

    async def change(self, escalation_id: str, **values: Any) -> None:
        """Write columns of the job behind an escalation."""
        job_id = await self.job_of(escalation_id)
        async with self.services.db.session() as session:
            job = await session.get(Job, job_id)
            assert job is not None
            for name, value in values.items():
                setattr(job, name, value)


@pytest.fixture
def api_changes() -> dict[str, Any]:
    """Settings of the API under test; a test parametrizes it."""
    return {}


@pytest.fixture
async def api(
    settings: Settings, make_key: MakeKey, api_changes: dict[str, Any], anyio_backend: str
) -> AsyncIterator[Api]:
    """The API on SQLite and a folder."""
    async with running(with_settings(settings, **api_changes), make_key) as opened:
        yield opened


@pytest.fixture
async def each_api(
    each_settings: Settings, make_key: MakeKey, anyio_backend: str
) -> AsyncIterator[Api]:
    """The API on each kind of database in turn."""
    async with running(each_settings, make_key) as opened:
        yield opened


@asynccontextmanager
async def running(settings: Settings, make_key: MakeKey) -> AsyncIterator[Api]:
    """The API without a worker, in the test's own loop, so that requests really overlap."""
    await migrate(settings)
    app = create_app(settings)
    transport = httpx.ASGITransport(app)
    client = httpx.AsyncClient(transport=transport, base_url="http://dfedge.test")
    async with app.lifespan(), client:
        yield Api(app, client, make_key(settings=settings), make_key)


def form(*parts: tuple[str, bytes]) -> bytes:
    """The body of a form."""
    pieces = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        f"Content-Type: application/octet-stream\r\n\r\n".encode()
        + data
        + b"\r\n"
        for name, data in parts
    ]
    return b"".join(pieces) + f"--{BOUNDARY}--\r\n".encode()


def manifest_of(**fields: Any) -> bytes:
    """A manifest as JSON."""
    return msgspec.json.encode(fields)


def crop_of(part: str, **fields: Any) -> dict[str, Any]:
    """A face crop of a manifest."""
    return {
        "part": part,
        "track_id": 0,
        "frame_index": 3,
        "pts_seconds": 0.12,
        "frame_width": 640,
        "frame_height": 360,
        "left": 100,
        "top": 50,
        "box": [120.0, 70.0, 180.0, 130.0],
        "detection_score": 0.9,
    } | fields


def picture_bytes(side: int = 32, shade: int = 0) -> bytes:
    """A small PNG."""
    pixels: Image = np.full((side, side, 3), shade, np.uint8)
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def clip_bytes(size: int = 5000, seed: int = 0) -> bytes:
    """Bytes that begin like an MP4; nobody decodes them here."""
    noise = np.random.default_rng(seed).integers(0, 256, size, np.uint8).tobytes()
    return b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp41" + noise


def made_verdict(label: Label = Label.FAKE, *, seconds: float = 1.0) -> Verdict:
    """A verdict as a device or the heavy tier gives it."""
    probability = {Label.FAKE: 0.93, Label.REAL: 0.04, Label.UNCERTAIN: 0.5}.get(label)
    confidence = {Label.FAKE: 0.93, Label.REAL: 0.96}.get(label)
    return Verdict(
        source=SourceInfo(
            name="talk.mp4",
            kind="video",
            width=640,
            height=360,
            duration_seconds=4.0,
            sampling="even",
            frames_sampled=20,
            frames_with_face=0 if label is Label.NO_FACE else 20,
        ),
        label=label,
        fake_probability=probability,
        confidence=confidence,
        reasons=(),
        tracks=(),
        timeline=(),
        opinions=(
            Opinion(model="dfedge-b0", tier="edge", label=label, fake_probability=probability),
        ),
        models=(),
        timing=Timing(
            total_seconds=seconds, decode_seconds=0.1, faces_seconds=0.1, classify_seconds=0.1
        ),
        dfedge_version=__version__,
    )
