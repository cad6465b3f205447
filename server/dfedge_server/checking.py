"""``dfedge serve check``: whether the server can work as it is set up, before anybody needs it."""

from __future__ import annotations

import asyncio
import io
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias
from uuid import uuid4

from dfedge.errors import DfedgeError
from dfedge_server.db.engine import Database
from dfedge_server.settings import MIB, Settings

GIB: Final = 1024 * MIB
State: TypeAlias = Literal["ok", "warning", "failed"]

SCHEMA: Final = "dfedge.server-check/1"
LITTLE_SPACE_BYTES: Final = 5 * GIB
NO_SPACE_BYTES: Final = GIB // 2
CLOCK_SECONDS: Final = 5.0
"""Workers judge each other's signs of life by their clocks; see worker_timeout_seconds."""

_SIGNS: Final[dict[State, str]] = {"ok": "ok     ", "warning": "look   ", "failed": "FAILED "}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    state: State
    text: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What all checks found, in the order they were made."""

    items: tuple[Finding, ...]

    @property
    def state(self) -> State:
        """The worst of all."""
        states = {item.state for item in self.items}
        return "failed" if "failed" in states else "warning" if "warning" in states else "ok"

    @property
    def exit_code(self) -> int:
        """0 where everything works, 1 with something to look at, 2 where it cannot work."""
        return {"ok": 0, "warning": 1, "failed": 2}[self.state]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        checks = [{"name": i.name, "state": i.state, "text": i.text} for i in self.items]
        return {"schema": SCHEMA, "state": self.state, "checks": checks}

    def as_text(self) -> str:
        """A line each."""
        return "".join(f"{_SIGNS[i.state]} {i.name:<9} {i.text}\n" for i in self.items)


def check(settings: Settings) -> Findings:
    """Make all checks; they change nothing but a small blob that is deleted again."""
    return asyncio.run(_check(settings))


async def _check(settings: Settings) -> Findings:
    checks: tuple[tuple[str, Callable[[Settings], Awaitable[tuple[State, str]]]], ...] = (
        ("settings", _settings),
        ("database", _database),
        ("storage", _storage),
        ("models", _models),
        ("disk", _disk),
        ("clock", _clock),
    )
    items = []
    for name, make in checks:
        try:
            state, text = await make(settings)
        except DfedgeError as error:
            state, text = "failed", str(error)
        except Exception as error:
            state, text = "failed", f"{type(error).__name__}: {str(error).splitlines()[0]}"
        items.append(Finding(name, state, text))
    return Findings(tuple(items))


async def _settings(settings: Settings) -> tuple[State, str]:
    warnings = []
    if not settings.is_sqlite:
        if not settings.storage_url:
            warnings.append("media lies in data_dir: several machines need storage_url")
        if not settings.webhook_secret.get_secret_value():
            warnings.append("each machine makes a webhook_secret of its own: set one for all")
    if settings.compat_without_key and settings.host not in ("127.0.0.1", "::1", "localhost"):
        warnings.append("compat_without_key lets everybody who reaches the port use it")
    if settings.allow_private_addresses:
        warnings.append("allow_private_addresses lets clients reach this network through it")
    return ("warning", "; ".join(warnings)) if warnings else ("ok", "read")


async def _database(settings: Settings) -> tuple[State, str]:
    from alembic.migration import MigrationContext

    from dfedge_server.db.migrate import newest_revision

    kind = "SQLite" if settings.is_sqlite else "PostgreSQL"
    if settings.is_sqlite and not settings.sqlite_path.exists():
        return "warning", f"there is no {settings.sqlite_path} yet; dfedge serve makes it"
    database = Database(settings)
    try:
        async with database.engine.connect() as connection:
            found = await connection.run_sync(
                lambda plain: MigrationContext.configure(plain).get_current_revision()
            )
    finally:
        await database.close()
    if found is None:
        return "warning", f"{kind} answers and is empty; dfedge serve makes the tables"
    newest = newest_revision()
    if found != newest:
        return "warning", f"{kind} has revision {found}; dfedge serve brings it to {newest}"
    return "ok", f"{kind} answers, revision {found}"


async def _storage(settings: Settings) -> tuple[State, str]:
    from dfedge_server.blobs import Blobs

    blobs = await asyncio.to_thread(Blobs, settings)
    key, data = f"check/{uuid4()}", b"dfedge serve check"
    await blobs.put(key, data)
    read = await blobs.get(key)
    await blobs.delete([key])
    if read != data:
        return "failed", "what was written does not read back the same"
    return "ok", f"{settings.storage_url or settings.data_dir / 'media'} takes, gives and deletes"


async def _models(settings: Settings) -> tuple[State, str]:
    return await asyncio.to_thread(_judge_a_picture, settings)


def _judge_a_picture(settings: Settings) -> tuple[State, str]:
    import numpy as np
    from PIL import Image

    from dfedge.escalation.wire import Crop, Submission
    from dfedge_server.heavy.tier import HeavyTier

    side = 256
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    picture = io.BytesIO()
    Image.fromarray(noise).save(picture, "PNG")
    crop = Crop(
        part="face",
        track_id=0,
        frame_index=0,
        pts_seconds=0.0,
        frame_width=side,
        frame_height=side,
        left=0,
        top=0,
        box=(64.0, 64.0, 192.0, 192.0),
        detection_score=1.0,
    )
    tier = HeavyTier(settings)
    try:
        with tempfile.TemporaryDirectory(prefix="dfedge-check-") as folder:
            path = Path(folder) / "face"
            path.write_bytes(picture.getvalue())
            result = tier.judge(
                Submission(kind="crops", crops=(crop,), frames_sampled=1),
                {"face": path},
                name="check",
                workdir=Path(folder),
                progress=lambda stage: None,
                cancelled=lambda: False,
            )
        names = ", ".join(f"{model.name} {model.version}" for model in tier.models())
        notes = "".join(f"; {note}" for note in tier.notes)
    finally:
        tier.close()
    if not result.verdict.opinions:
        return "failed", f"{names} gave no opinion"
    return "ok", f"{names} answered{notes}"


async def _disk(settings: Settings) -> tuple[State, str]:
    places = {"data_dir": settings.data_dir, "temporary files": Path(tempfile.gettempdir())}
    free = {name: _free_bytes(path) for name, path in places.items()}
    name, least = min(free.items(), key=lambda item: item[1])
    text = f"{least / GIB:.1f} GiB free for {name}"
    if least < NO_SPACE_BYTES:
        return "failed", text
    return ("warning" if least < LITTLE_SPACE_BYTES else "ok"), text


def _free_bytes(path: Path) -> int:
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


async def _clock(settings: Settings) -> tuple[State, str]:
    if settings.is_sqlite:
        return "ok", f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    from sqlalchemy import func, select

    database = Database(settings)
    try:
        async with database.reading() as session:
            theirs = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    finally:
        await database.close()
    apart = abs((datetime.now(UTC) - theirs).total_seconds())
    text = f"{apart:.1f} s apart from the database's"
    if apart > min(CLOCK_SECONDS, settings.worker_timeout_seconds / 2):
        return "failed", f"{text}: workers would take each other for dead; set the clock by NTP"
    return "ok", text
