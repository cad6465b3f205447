"""Which models answer: what the workers that show life have told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy import select

from dfedge.escalation.wire import ModelList, ModelState
from dfedge_server.db.models import Worker
from dfedge_server.services import Services

NO_WORKER: Final = "No worker shows life: jobs are kept until one does (`dfedge serve worker`)."
NOTHING_HEAVY: Final = (
    "No heavier model is installed: verdicts come from a model made for devices, on more frames."
)


async def list_models(services: Services) -> ModelList:
    """The models of all living workers, each once."""
    settings = services.settings
    since = datetime.now(UTC) - timedelta(seconds=settings.worker_timeout_seconds)
    async with services.db.reading() as session:
        told = list(await session.scalars(select(Worker.models).where(Worker.seen_at >= since)))
    found: dict[tuple[str, str], ModelState] = {}
    for model in msgspec.convert([one for models in told for one in models], list[ModelState]):
        key = (model.name, model.sha256)
        if key not in found or model.loaded:
            found[key] = model
    models = tuple(sorted(found.values(), key=lambda model: (-model.weight, model.name)))
    notes: tuple[str, ...] = () if told else (NO_WORKER,)
    if models and not any(model.heavy for model in models):
        notes += (NOTHING_HEAVY,)
    policy = (
        "The weighted mean of the calibrated log-odds of all opinions; "
        f"the device's own has weight {settings.device_weight:g}."
    )
    return ModelList(models=models, policy=policy, notes=notes)
