"""The heavy tier from end to end: tiny models of each kind, and the bundle that ships."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import numpy as np
import pytest
from PIL import Image as Pictures

import dfedge
from dfedge import Detector, Label, Verdict
from dfedge.errors import MediaFetchError, MediaFormatError, MediaLimitError
from dfedge.escalation.wire import Submission
from dfedge.types import Image
from dfedge.verdict import Reason
from dfedge_server.heavy.tier import Cancelled

CLIP = Submission(kind="clip", frames=8)
RESEARCH = ("original_c23_055.mp4", "NeuralTextures_c40_720_672.mp4")


def detect(bundle: object, source: object, frames: int = 8) -> Verdict:
    """What a detector of the same bundle says."""
    with Detector(str(bundle), device="cpu", threads=1) as detector:
        return detector.detect(source, frames=frames)  # type: ignore[arg-type]


def same(expected: Verdict, actual: Verdict) -> None:
    """Both say the same to the last digit."""
    assert expected.tracks == actual.tracks
    assert expected.timeline == actual.timeline
    assert (expected.label, expected.fake_probability, expected.confidence, expected.reasons) == (
        actual.label,
        actual.fake_probability,
        actual.confidence,
        actual.reasons,
    )


@pytest.mark.parametrize("kind", ["one", "wide", "wider", "frame", "four", "four-frames"])
def test_a_clip_gets_the_detectors_numbers(
    tiny: dict[str, Path], open_tier: Callable[..., Any], portrait_clip: Path, kind: str
) -> None:
    """Every kind of model sees what it sees in the SDK."""
    judge = open_tier(tiny[kind])
    same(detect(tiny[kind], portrait_clip), judge(CLIP, {"clip": portrait_clip}).verdict)


@pytest.mark.parametrize("kind", ["one", "wide", "four"])
def test_lossless_crops_get_the_detectors_numbers(
    tiny: dict[str, Path],
    open_tier: Callable[..., Any],
    send_crops: Callable[..., Any],
    portrait_clip: Path,
    kind: str,
) -> None:
    """Each model cuts its own crop out of what was sent."""
    judge = open_tier(tiny[kind])
    same(detect(tiny[kind], portrait_clip), judge(*send_crops(portrait_clip, frames=8)).verdict)


@pytest.mark.parametrize("name", RESEARCH)
def test_research_clips_get_the_detectors_numbers(
    shared_data: Path, open_tier: Callable[..., Any], send_crops: Callable[..., Any], name: str
) -> None:
    """With the bundle that ships, whether the clip is sent or its faces."""
    clip = shared_data / "clips" / name
    expected = detect("dfedge-b0", clip, frames=5)
    judge = open_tier("dfedge-b0")
    same(expected, judge(Submission(kind="clip", frames=5), {"clip": clip}).verdict)
    same(expected, judge(*send_crops(clip, frames=5)).verdict)


def test_every_opinion_is_kept_beside_the_fused_one(
    tiny: dict[str, Path], open_tier: Callable[..., Any], portrait_clip: Path
) -> None:
    """Each model says what it says alone; the device comes first; the document fits its schema."""
    device = detect(tiny["one"], portrait_clip)
    judge = open_tier(f"{tiny['one']}=3", tiny["frame"], tiny["four"], heatmaps=1)
    submission = msgspec.structs.replace(CLIP, device_verdict=device)
    result = judge(submission, {"clip": portrait_clip}, name="a clip")
    verdict = result.verdict
    assert ["tiny-detector", "one", "frame", "four"][1:] == [
        opinion.model for opinion in verdict.opinions if opinion.tier == "heavy"
    ]
    assert ("one", "edge") == (verdict.opinions[0].model, verdict.opinions[0].tier)
    for opinion, kind in zip(verdict.opinions[1:], ("one", "frame", "four"), strict=True):
        alone = detect(tiny[kind], portrait_clip)
        assert (alone.label, alone.fake_probability) == (opinion.label, opinion.fake_probability)
    roles = [model.role for model in verdict.models]
    assert ["face_detector", "edge", "heavy", "heavy", "heavy"] == roles
    assert "a clip" == verdict.source.name
    schema = Path(dfedge.__file__).with_name("verdict.schema.json").read_bytes()
    jsonschema.validate(json.loads(verdict.to_json()), json.loads(schema))
    kinds = [picture.kind for picture in result.pictures]
    assert 1 == kinds.count("strip")
    assert 1 == kinds.count("heat")
    assert 8 == kinds.count("face")
    assert all(picture.data.startswith(b"\xff\xd8") for picture in result.pictures)


def test_models_of_whole_frames_are_not_asked_about_crops(
    tiny: dict[str, Path],
    open_tier: Callable[..., Any],
    send_crops: Callable[..., Any],
    portrait_clip: Path,
) -> None:
    """Nor those that look farther about the face; a note says so. Alone, they refuse."""
    sent = send_crops(portrait_clip, frames=2)
    result = open_tier(tiny["one"], tiny["frame"], tiny["wider"])(*sent)
    assert ["one"] == [opinion.model for opinion in result.verdict.opinions]
    assert any(note.startswith("frame was not asked") for note in result.notes)
    assert any(note.startswith("wider was not asked") for note in result.notes)
    with pytest.raises(MediaFormatError, match="send the clip itself"):
        open_tier(tiny["frame"])(*sent)


def test_one_session_serves_jobs_at_once(
    tiny: dict[str, Path],
    open_tier: Callable[..., Any],
    send_crops: Callable[..., Any],
    portrait_clip: Path,
) -> None:
    """Six at the same time say what one says."""
    judge = open_tier(tiny["one"], tiny["four"])
    sent = send_crops(portrait_clip, frames=4)
    alone = judge(*sent).verdict
    with ThreadPoolExecutor(6) as pool:
        for job in [pool.submit(judge, *sent) for _ in range(6)]:
            same(alone, job.result().verdict)


def test_progress_is_told_and_a_job_can_be_stopped(
    tiny: dict[str, Path], open_tier: Callable[..., Any], portrait_clip: Path
) -> None:
    """Faces, models, evidence, in this order; after any of it the work ends when asked to."""
    judge = open_tier(tiny["one"], tiny["four"])
    judge(CLIP, {"clip": portrait_clip})
    names = [stage.name for stage in judge.stages]
    assert ["faces"] * 9 + ["models"] * 2 + ["evidence"] == names
    assert [*range(9)] == [stage.done for stage in judge.stages[:9]]
    assert 8 == judge.stages[8].total
    for told in (1, 4, 10):
        judge.stages.clear()
        judge.cancel_after = told
        with pytest.raises(Cancelled):
            judge(CLIP, {"clip": portrait_clip})
        assert told == len(judge.stages)


def test_a_source_without_a_face_has_no_number(
    tiny: dict[str, Path], open_tier: Callable[..., Any], tmp_path: Path, portrait_clip: Path
) -> None:
    """NO_FACE, whatever the device says."""
    grey = tmp_path / "grey.png"
    Pictures.new("RGB", (320, 240), (127, 127, 127)).save(grey)
    device = detect(tiny["one"], portrait_clip)
    submission = msgspec.structs.replace(CLIP, device_verdict=device)
    result = open_tier(tiny["one"], tiny["frame"])(submission, {"clip": grey})
    assert (Label.NO_FACE, None) == (result.verdict.label, result.verdict.fake_probability)
    assert (Reason.NO_FACE,) == result.verdict.reasons
    assert () == result.pictures
    assert result.thresholds is None
    assert [device.label, Label.NO_FACE, Label.NO_FACE] == [
        opinion.label for opinion in result.verdict.opinions
    ]


def test_an_address_is_fetched_only_where_it_may_be(
    tiny: dict[str, Path], open_tier: Callable[..., Any]
) -> None:
    """This machine is out of reach unless the settings say otherwise."""
    judge = open_tier(tiny["one"])
    submission = Submission(kind="url", url="http://127.0.0.1:9/clip.mp4")
    with pytest.raises(MediaFetchError, match="private"):
        judge(submission, {})
    assert [] == [*judge.workdir.iterdir()]


def test_crops_that_contradict_themselves_are_refused(
    tiny: dict[str, Path],
    open_tier: Callable[..., Any],
    send_crops: Callable[..., Any],
    portrait_clip: Path,
) -> None:
    """Each with the reason; none becomes a number."""
    submission, media = send_crops(portrait_clip, frames=2)
    first, second = submission.crops
    left, top, right, bottom = first.box
    change = msgspec.structs.replace
    judge = open_tier(tiny["wide"])
    for crops, problem in (
        ((change(first, box=(left, top, left, bottom)),), "no box"),
        ((change(first, box=(float("nan"), top, right, bottom)),), "no box"),
        ((change(first, left=first.frame_width),), "outside its frame"),
        ((change(first, frame_width=first.left + 8),), "past the edge"),
        ((change(first, box=(left - 900, top, right - 900, bottom)),), "does not show its face"),
        ((change(first, box=(left - 60, top, right - 60, bottom)),), "shows too little"),
        ((first, change(second, frame_index=first.frame_index)), "two times or sizes"),
        ((first, first), "twice"),
        ((change(first, part="none"),), "was not sent"),
        ((change(first, box=(-8000.0, -8000.0, 8000.0, 8000.0)),), "make it smaller"),
        ((), "no picture"),
    ):
        with pytest.raises((MediaFormatError, MediaLimitError), match=problem):
            judge(change(submission, crops=crops), media)


def test_the_device_tells_when_it_saw_no_face(
    tiny: dict[str, Path],
    open_tier: Callable[..., Any],
    send_crops: Callable[..., Any],
    portrait: Image,
    tmp_path: Path,
) -> None:
    """Frames without a face stand in the time line though nothing of them was sent."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(4):
        picture = portrait if number % 2 else np.full((512, 512, 3), 127, np.uint8)
        Pictures.fromarray(picture).save(folder / f"{number}.png")
    device = detect(tiny["one"], folder, frames=4)
    submission, media = send_crops(folder, frames=4)
    sent = msgspec.structs.replace(submission, device_verdict=device)
    verdict = open_tier(tiny["one"], device_weight=0.0)(sent, media).verdict
    assert (4, 2) == (verdict.source.frames_sampled, verdict.source.frames_with_face)
    same(device, verdict)
