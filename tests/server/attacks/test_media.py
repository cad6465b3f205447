"""Files made to hurt: bombs, lies, polyglots, lists that name other files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import LIMIT_BYTES, MIB, Target
from .hostile import HOSTILE, png, png_bomb

REFUSED = {"media_unreadable", "media_unsupported", "media_limit", "upload_too_large"}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_gives_no_number(target: Target, name: str) -> None:
    """It is refused, or found to hold no face; nothing of this machine's files is told."""
    data = HOSTILE[name]()
    assert len(data) < LIMIT_BYTES
    answer = target.detect(data)
    told = answer.json()
    if answer.status_code == 200:
        assert ("NO_FACE", None) == (told["result"]["label"], told["result"]["fake_probability"])
    else:
        assert answer.status_code in (413, 415, 422), answer.text
        assert told["code"] in REFUSED, answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a bomb", png_bomb()),
        ("another size than said", png(8, 8, rows=b"\0\0" * 8)),
        ("cut off", png(64, 64)[:60]),
        ("a gif", b"GIF89a" + bytes(64)),
        ("larger than a crop may be", png(64, 64) + bytes(2 * 1024**2)),
    ],
)
def test_a_hostile_crop_gives_no_number(target: Target, name: str, data: bytes) -> None:
    """A face crop is opened as carefully as a clip."""
    crop = {
        "part": "c0",
        "track_id": 0,
        "frame_index": 0,
        "pts_seconds": 0,
        "frame_width": 640,
        "frame_height": 480,
        "left": 0,
        "top": 0,
        "box": [10, 10, 50, 50],
        "detection_score": 0.9,
    }
    manifest = json.dumps({"kind": "crops", "frames_sampled": 1, "crops": [crop]})
    answer = target.post(
        "/v1/escalations",
        files=[("manifest", ("", manifest, "application/json")), ("c0", ("c.png", data))],
        headers={"Prefer": "wait=30"},
    )
    if answer is None:
        assert len(data) > MIB
        return
    told = answer.json()
    code = told.get("code") or (told.get("problem") or {}).get("code")
    assert code in REFUSED, (name, answer.text)


def test_a_batch_of_bombs_spoils_no_genuine_file(target: Target, portrait_clip: Path) -> None:
    """What cannot be opened is told beside what can."""
    files = [png_bomb(), portrait_clip.read_bytes(), png_bomb() + b"another"]
    answer = target.client.post("/detect/batch", files=[("files", ("x", file)) for file in files])
    assert 200 == answer.status_code, answer.text
    first, second, third = answer.json()["items"]
    assert (None, None) == (first["result"], third["result"])
    assert second["result"]["fake_probability"] is not None


def test_after_all_that_a_genuine_clip_is_judged(target: Target, portrait_clip: Path) -> None:
    """The service does its work."""
    answer = target.detect(portrait_clip.read_bytes() + b"\0" * 8)
    assert 200 == answer.status_code, answer.text
    assert 0.0 <= answer.json()["result"]["fake_probability"] <= 1.0
