"""``POST /predict``: the verdict on an address, as clients of GenConViT servers ask for it."""

from __future__ import annotations

from typing import Any

from litestar import Request, post
from litestar.params import JSONBody

from dfedge.escalation.wire import Submission
from dfedge_server.compat import answers
from dfedge_server.compat.asking import Asker
from dfedge_server.compat.openapi import TAGS
from dfedge_server.compat.schemas import Prediction, PredictRequest
from dfedge_server.escalations.openapi import refusals
from dfedge_server.escalations.routes import IdempotencyKey
from dfedge_server.problems import ProblemError
from dfedge_server.security.guards import requires
from dfedge_server.security.middleware import WITHOUT_KEY
from dfedge_server.security.principal import Principal, Scope

MAX_BODY_BYTES = 16 * 1024


@post(
    "/predict",
    guards=[requires(Scope.ESCALATE)],
    opt={WITHOUT_KEY: True},
    status_code=200,
    operation_id="predict",
    tags=TAGS,
    summary="Judge the clip or picture at an address",
    responses=refusals(
        "upload_too_large",
        "idempotency_conflict",
        "media_unreadable",
        "media_limit",
        "fetch_failed",
        "queue_full",
        "still_working",
    ),
    request_max_body_size=MAX_BODY_BYTES,
)
async def predict(
    request: Request[Principal, Any, Any],
    data: JSONBody[PredictRequest],
    idempotency_key: IdempotencyKey = None,
) -> Prediction:
    """Fetches the address, looks for faces and judges them; waits up to ``max_wait_seconds``."""
    asker = Asker.of(request)
    if not data.file_path.startswith(("http://", "https://")):
        raise ProblemError("invalid_request", "file_path is no http or https address.")
    frames = data.num_frames
    if frames is not None:
        frames = min(frames, asker.services.settings.max_frames)
    submission = Submission(kind="url", url=data.file_path, frames=frames)
    asked = await asker.ask(submission, {}, idempotency_key=idempotency_key)
    done = await asker.done(asked)
    return answers.prediction(done, data.net, await asker.threshold())


ROUTES = [predict]
