"""``POST /detect``, ``/detect/batch`` and ``/detect/video``: the verdict on uploaded files."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from litestar import Request, post
from litestar.params import QueryParameter

from dfedge.escalation.wire import State, Submission
from dfedge_server.compat import answers
from dfedge_server.compat.asking import Asker, problem_of
from dfedge_server.compat.openapi import TAGS, OneFile, SeveralFiles
from dfedge_server.compat.schemas import BatchDetection, Detection, VideoDetection
from dfedge_server.escalations.intake import CLIP
from dfedge_server.escalations.openapi import refusals
from dfedge_server.escalations.parts import HANG_UP, Part, form_parts, limited
from dfedge_server.escalations.uploads import (
    StoredPart,
    discard,
    new_job_id,
    room_to_hold,
    store,
)
from dfedge_server.problems import ProblemError
from dfedge_server.security.guards import requires
from dfedge_server.security.middleware import WITHOUT_KEY
from dfedge_server.security.principal import Principal, Scope
from dfedge_server.services import Services

MAX_FILES: Final = 32
"""In one batch."""

MAX_SCENES: Final = 50
FRAMES_A_SCENE: Final = 6

_SHARED: Final[dict[str, Any]] = {
    "guards": [requires(Scope.ESCALATE)],
    "opt": {WITHOUT_KEY: True},
    "status_code": 200,
    "tags": TAGS,
    "request_max_body_size": None,  # settings.max_upload_bytes, while it streams in
    "responses": refusals(
        "upload_stalled",
        "upload_too_large",
        "content_type_unsupported",
        "media_unsupported",
        "parts_mismatch",
        "media_unreadable",
        "media_limit",
        "queue_full",
        "still_working",
    ),
}


@post(
    "/detect",
    operation_id="detect",
    operation_class=OneFile,
    summary="Judge one picture or clip",
    **_SHARED,
)
async def detect(request: Request[Principal, Any, Any]) -> Detection:
    """Takes a form with the part ``file``."""
    asker = Asker.of(request)
    ((name, part),) = await _receive(request, asker, "file", 1)
    asked = await asker.ask(Submission(kind="clip", name=name), {CLIP: part})
    return answers.detection(await asker.done(asked), await asker.threshold())


@post(
    "/detect/batch",
    operation_id="detect_batch",
    operation_class=SeveralFiles,
    summary=f"Judge up to {MAX_FILES} pictures or clips",
    **_SHARED,
)
async def detect_batch(request: Request[Principal, Any, Any]) -> BatchDetection:
    """Takes a form with parts ``files``, each a picture or clip. One that turns out unreadable does
    not spoil the others."""
    asker = Asker.of(request)
    received = await _receive(request, asker, "files", MAX_FILES)
    asked = []
    try:
        for name, part in received:
            asked.append(await asker.ask(Submission(kind="clip", name=name), {CLIP: part}))
    except BaseException:
        await discard(asker.services, [part.job_id for _, part in received[len(asked) :]])
        raise
    limit = await asker.threshold()
    items = []
    for escalation_id in asked:
        told = await asker.final(escalation_id)
        items.append(
            answers.detection(told, limit)
            if told.state is State.DONE
            else answers.failed_item(told, problem_of(told))
        )
    return BatchDetection(items=tuple(items))


@post(
    "/detect/video",
    operation_id="detect_video",
    operation_class=OneFile,
    summary="Judge a clip, scene by scene",
    **_SHARED,
)
async def detect_video(
    request: Request[Principal, Any, Any],
    frames_per_scene: Annotated[int, QueryParameter(ge=1, le=12)] = FRAMES_A_SCENE,
    max_scenes: Annotated[int, QueryParameter(ge=1, le=MAX_SCENES)] = 12,
) -> VideoDetection:
    """Takes a form with the part ``file``. Frames are spread over the scenes between cuts, up to
    six of each and ``frames_per_scene * max_scenes`` in all, as far as ``max_frames`` allows."""
    asker = Asker.of(request)
    ((name, part),) = await _receive(request, asker, "file", 1)
    total = min(frames_per_scene * max_scenes, asker.services.settings.max_frames, 120)
    submission = Submission(kind="clip", name=name, frames=total, sampling="scene")
    asked = await asker.ask(submission, {CLIP: part})
    return answers.video_detection(await asker.done(asked), await asker.threshold())


async def _receive(
    request: Request[Principal, Any, Any],
    asker: Asker,
    field: Literal["file", "files"],
    most: int,
) -> list[tuple[str, StoredPart]]:
    """The files of a form with their names, each stored under a job of its own; at least one.

    Raises:
        ProblemError: says what does not fit; nothing is left behind.
    """
    services = asker.services
    limit = services.settings.max_upload_bytes
    received: list[tuple[str, StoredPart]] = []
    async with aclosing(form_parts(request, limit=limit, max_parts=most)) as parts:
        begun = []
        try:
            async for part in parts:
                if part.name != field:
                    raise ProblemError(
                        "parts_mismatch",
                        f"The form has a part that is not `{field}`.",
                        headers=HANG_UP,
                    )
                begun.append(new_job_id())
                room = room_to_hold(each for _, each in received)
                stored = await _store(services, part, limit, begun[-1], room)
                received.append((_name(part), stored))
            if not received:
                raise ProblemError("parts_mismatch", f"The part `{field}` is missing.")
        except BaseException:
            await discard(services, begun)
            raise
    return received


async def _store(services: Services, part: Part, limit: int, job_id: UUID, room: int) -> StoredPart:
    try:
        pieces = limited(part, limit)
        return await store(services, pieces, job_id=job_id, part=CLIP, hold_bytes=room)
    except ProblemError as error:
        detail = error.detail.replace(f"The part {CLIP!r}", f"The file {_name(part)!r}")
        raise ProblemError(error.code, detail, headers=HANG_UP) from None


def _name(part: Part) -> str:
    """What the client calls the file, fit for a page: no folders, nothing that is not printed."""
    name = part.filename.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in name if letter.isprintable())[:200]


ROUTES = [detect, detect_batch, detect_video]
