"""Whether a submission can be taken, and by which hashes it is told apart from another."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from dfedge.escalation.wire import Submission
from dfedge.verdict import Timing
from dfedge_server.problems import ProblemError
from dfedge_server.settings import Settings

CLIP: Final = "clip"
MANIFEST: Final = "manifest"

_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_NO_TIME: Final = Timing(
    total_seconds=0.0, decode_seconds=0.0, faces_seconds=0.0, classify_seconds=0.0
)
_FARTHEST: Final = 1e6
"""A coordinate or time beyond is no coordinate or time."""


def read_submission(text: bytes) -> Submission:
    """A manifest.

    Raises:
        ProblemError: it is no JSON, or not a submission; says where.
    """
    try:
        return msgspec.json.decode(text, type=Submission)
    except msgspec.ValidationError as error:
        raise ProblemError("invalid_request", f"The manifest does not fit: {error}.") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise ProblemError("malformed_request", "The manifest is no JSON.") from None


def check_submission(submission: Submission, settings: Settings) -> None:
    """Refuse what cannot be done, before any of its media is taken.

    Raises:
        ProblemError: says which field is at fault.
    """
    if _NUL.search(msgspec.json.encode(submission)):
        raise _misfit("a text holds the character U+0000; leave it out")
    if submission.kind == "crops":
        _check_crops(submission)
    elif submission.crops or submission.frames_sampled:
        raise _misfit(f"crops and frames_sampled do not go with kind {submission.kind}")
    if submission.kind == "url":
        _check_address("url", submission.url or "")
    elif submission.url is not None:
        raise _misfit(f"url does not go with kind {submission.kind}")
    if submission.frames is not None and submission.frames > settings.max_frames:
        raise _misfit(f"frames is over the {settings.max_frames} that this server looks at")
    if submission.webhook is not None:
        _check_address("webhook.url", submission.webhook.url)


def expected_parts(submission: Submission) -> frozenset[str]:
    """The parts that come with a submission."""
    if submission.kind == "crops":
        return frozenset(crop.part for crop in submission.crops)
    return frozenset({CLIP} if submission.kind == "clip" else ())


def input_sha256(submission: Submission, hashes: Mapping[str, str], settings: Settings) -> str:
    """Of what is judged, so that the same is judged once.

    The media's bytes, where and when its faces are, and what the device made of it; not how the
    caller names it, how long the device took, or who is told. What an address serves may change,
    so no two are the same.

    Args:
        hashes: part -> SHA-256 of its bytes, hexadecimal.
    """
    if submission.kind == "url":
        return secrets.token_hex(32)
    verdict = submission.device_verdict
    if verdict is not None:
        verdict = msgspec.structs.replace(
            verdict,
            timing=_NO_TIME,
            source=msgspec.structs.replace(verdict.source, name=""),
        )
    judged = {
        "kind": submission.kind,
        "frames": submission.frames or settings.frames,
        "frames_sampled": submission.frames_sampled,
        "sampling": submission.sampling,
        "device_verdict": verdict,
        "media": hashes.get(CLIP),
        "crops": [
            {**msgspec.to_builtins(crop), "part": hashes[crop.part]} for crop in submission.crops
        ],
    }
    return digest(judged)


def request_digest(submission: Submission, hashes: Mapping[str, str]) -> str:
    """Of a whole request; the same when it is sent again, whatever its boundary and spacing."""
    return digest({"submission": submission, "media": dict(hashes)})


def digest(what: object) -> str:
    """SHA-256 of anything that has a JSON form, whatever the order of its fields."""
    return hashlib.sha256(msgspec.json.encode(what, order="deterministic")).hexdigest()


def _check_crops(submission: Submission) -> None:
    if not submission.crops:
        raise _misfit("crops is empty; a submission of kind crops holds at least one")
    if len(expected_parts(submission)) < len(submission.crops):
        raise _misfit("two crops name the same part; give each a part of its own")
    for index, crop in enumerate(submission.crops):
        left, top, right, bottom = crop.box
        if crop.part == MANIFEST:
            raise _misfit(f"crops[{index}].part is manifest, which is the manifest's own name")
        if not (crop.left < crop.frame_width and crop.top < crop.frame_height):
            raise _misfit(f"crops[{index}] lies outside its frame")
        if not (left < right and top < bottom):
            raise _misfit(f"crops[{index}].box is empty; it is left, top, right, bottom")
        if not all(abs(value) < _FARTHEST for value in (*crop.box, crop.pts_seconds)):
            raise _misfit(f"crops[{index}] has a number that is too large")


def _check_address(field: str, address: str) -> None:
    try:
        parts = urlsplit(address)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or not address.isprintable() or " " in address:
        raise _misfit(f"{field} is no http or https address")


def _misfit(what: str) -> ProblemError:
    return ProblemError("invalid_request", f"The submission does not fit: {what}.")
