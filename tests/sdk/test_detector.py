"""The detector with the bundle that ships: sources in, verdicts out."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures

from dfedge import Detector, Failure, Label, Progress, Success, Verdict
from dfedge.errors import (
    BundleNotFoundError,
    MediaNotFoundError,
    RuntimeUnavailableError,
    UsageError,
)
from dfedge.types import Image


@pytest.fixture(scope="module")
def detector() -> Iterator[Detector]:
    """The default detector on the CPU."""
    with Detector(device="cpu", threads=1) as detector:
        yield detector


def same_scores(first: Verdict, second: Verdict) -> bool:
    """Whether two verdicts agree in everything but the clock."""
    return (first.label, first.fake_probability, first.tracks) == (
        second.label,
        second.fake_probability,
        second.tracks,
    )


def test_a_picture_with_one_face_gives_one_track(detector: Detector, portrait: Image) -> None:
    """One person, one observation, a probability, and the face where it is."""
    verdict = detector.detect(portrait)
    assert [len(track.observations) for track in verdict.tracks] == [1]
    box = verdict.tracks[0].observations[0].box
    assert box.left < 220 < box.right, "the astronaut's nose"
    assert box.top < 120 < box.bottom
    assert verdict.fake_probability is not None
    assert verdict.source.kind == "array"


def test_a_clip_gives_one_person_over_all_frames(detector: Detector, portrait_clip: Path) -> None:
    """A moving face stays one track, with exact times in order."""
    verdict = detector.detect(portrait_clip, frames=10)
    assert len(verdict.tracks) == 1
    times = [seen.pts_seconds for seen in verdict.tracks[0].observations]
    assert len(times) == 10
    assert times == sorted(times)
    assert verdict.source.frames_with_face == 10
    assert [point.pts_seconds for point in verdict.timeline] == times


def test_a_picture_without_a_face_has_no_number(detector: Detector) -> None:
    """NO_FACE, never a probability."""
    grey = np.full((240, 320, 3), 127, np.uint8)
    verdict = detector.detect(grey)
    assert verdict.label is Label.NO_FACE
    assert verdict.fake_probability is None
    assert verdict.tracks == ()


def test_the_same_source_gives_the_same_numbers(detector: Detector, portrait_clip: Path) -> None:
    """Nothing in the pipeline is left to chance."""
    first, second = (detector.detect(portrait_clip, frames=6) for _ in range(2))
    assert same_scores(first, second)


def test_threads_may_share_a_detector(detector: Detector, portrait_clip: Path) -> None:
    """Eight calls at once give what one call gives."""
    alone = detector.detect(portrait_clip, frames=4)
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(detector.detect, portrait_clip, frames=4) for _ in range(8)]
        assert all(same_scores(alone, job.result()) for job in jobs)


def test_one_bad_source_never_stops_the_rest(
    detector: Detector, portrait: Image, tmp_path: Path
) -> None:
    """A failure carries the error; the sources around it are judged."""
    missing = tmp_path / "missing.mp4"
    results = list(detector.detect_many([portrait, missing, portrait]))
    assert [type(result) for result in results] == [Success, Failure, Success]
    failure = results[1]
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, MediaNotFoundError)
    assert failure.source == str(missing)


def test_a_failure_never_repeats_a_password(detector: Detector) -> None:
    """Credentials in an address are left out of what is shown."""
    (result,) = detector.detect_many(["http://user:secret@127.0.0.1:9/clip.mp4"])
    assert isinstance(result, Failure)
    assert "secret" not in f"{result.source} {result.error}"
    assert "127.0.0.1" in result.source


def test_detect_many_is_lazy(detector: Detector, portrait: Image) -> None:
    """The first verdict comes before the second source is touched."""
    touched: list[int] = []

    def sources() -> Iterator[Image]:
        for index in range(3):
            touched.append(index)
            yield portrait

    next(detector.detect_many(sources()))
    assert touched == [0]


def test_the_verdict_survives_its_json_form(detector: Detector, portrait_clip: Path) -> None:
    """Reading ``dfedge.verdict/1`` back gives an equal verdict."""
    verdict = detector.detect(portrait_clip, frames=4)
    assert Verdict.from_json(verdict.to_json(indent=2)) == verdict


def test_a_verdict_says_which_models_gave_it(detector: Detector, portrait: Image) -> None:
    """Face finder and classifier, each with the hash of its weights."""
    models = detector.detect(portrait).models
    assert [model.role for model in models] == ["face_detector", "edge"]
    assert models[1].name == detector.card.name
    assert all(len(model.sha256) == 64 for model in models)


def test_progress_counts_every_frame(detector: Detector, portrait_clip: Path) -> None:
    """The callback sees each frame and how many there will be."""
    seen: list[Progress] = []
    detector.detect(portrait_clip, frames=5, progress=seen.append)
    assert [step.done for step in seen] == [1, 2, 3, 4, 5]
    assert {step.total for step in seen} == {5}


def test_evidence_shows_the_face_it_speaks_of(detector: Detector, portrait_clip: Path) -> None:
    """Each picture is a small JPEG with the face box inside it."""
    analysis = detector.analyze(portrait_clip, frames=20)
    assert 6 <= len(analysis.evidence) <= 12
    for item in analysis.evidence:
        assert item.jpeg[:2] == b"\xff\xd8"
        assert 0 <= item.box.left < item.box.right <= 161
        assert 0 <= item.box.top < item.box.bottom <= 161


def test_a_stream_gives_rolling_verdicts(detector: Detector, portrait_clip: Path) -> None:
    """A file played in real time is judged about once a given time, over the last window."""
    verdicts = list(
        detector.stream(str(portrait_clip), fps=5, window_seconds=1.0, every_seconds=0.5)
    )
    assert verdicts
    for verdict in verdicts:
        times = [point.pts_seconds for point in verdict.timeline]
        assert times[-1] - times[0] <= 1.0


def test_the_async_forms_give_the_same_verdicts(detector: Detector, portrait: Image) -> None:
    """``detect_async`` and ``detect_many_async`` are ``detect`` and ``detect_many`` in a thread."""

    async def run() -> tuple[Verdict, list[Success | Failure]]:
        one = await detector.detect_async(portrait)
        return one, [result async for result in detector.detect_many_async([portrait, portrait])]

    one, many = asyncio.run(run())
    expected = detector.detect(portrait)
    assert same_scores(one, expected)
    assert [isinstance(result, Success) for result in many] == [True, True]


def test_leaving_an_async_stream_early_stops_it(detector: Detector, portrait_clip: Path) -> None:
    """Breaking out of ``async for`` closes the source."""

    async def run() -> int:
        stream = detector.stream_async(str(portrait_clip), fps=10, every_seconds=0.1)
        async for _ in stream:
            await stream.aclose()  # type: ignore[attr-defined]
            return 1
        return 0

    assert asyncio.run(run()) == 1


def test_a_device_that_did_not_load_is_an_error_not_a_fallback() -> None:
    """Asking for TensorRT on a machine without it names what is there."""
    with pytest.raises(RuntimeUnavailableError, match=r"CPUExecutionProvider|cpu"):
        Detector(device="tensorrt")


def test_an_unknown_model_is_named() -> None:
    """The error says which bundle was asked for."""
    with pytest.raises(BundleNotFoundError, match="no-such-model"):
        Detector("no-such-model")


@pytest.mark.parametrize("frames", [0, -3])
def test_frames_below_one_are_refused(detector: Detector, portrait: Image, frames: int) -> None:
    """The option is named, nothing is guessed."""
    with pytest.raises(UsageError, match="frames"):
        detector.detect(portrait, frames=frames)


@pytest.mark.parametrize("option", ["window_seconds", "every_seconds"])
def test_stream_options_must_be_positive(
    detector: Detector, portrait_clip: Path, option: str
) -> None:
    """A zero window or interval is a usage error."""
    with pytest.raises(UsageError, match=option):
        next(detector.stream(str(portrait_clip), **{option: 0.0}))


def test_fast_sampling_looks_at_fewer_frames(detector: Detector, portrait_clip: Path) -> None:
    """Unless frames are asked for, each sampling has its own number."""
    even = detector.detect(portrait_clip, sampling="even")
    fast = detector.detect(portrait_clip, sampling="fast")
    assert (even.source.frames_sampled, fast.source.frames_sampled) == (20, 8)


def test_heat_maps_show_the_most_suspicious_frames(detector: Detector, portrait_clip: Path) -> None:
    """As many as asked for, those that score highest, each the size of its picture."""
    analysis = detector.analyze(portrait_clip, frames=20, heatmaps=3)
    heated = [item for item in analysis.evidence if item.heat_jpeg is not None]
    (track,) = analysis.verdict.tracks
    ranked = sorted(track.observations, key=lambda seen: -seen.logit)
    assert {item.frame_index for item in heated} == {seen.frame_index for seen in ranked[:3]}
    for item in heated:
        picture, heat = (jpeg_picture(data) for data in (item.jpeg, item.heat_jpeg))
        assert picture.shape == heat.shape
        assert np.abs(picture.astype(int) - heat).max() > 60, "something is coloured"
    order = [(item.track_id, item.frame_index) for item in analysis.evidence]
    assert order == sorted(set(order))


def test_heat_maps_change_nothing_else(detector: Detector, portrait_clip: Path) -> None:
    """Verdict and pictures are those of an analysis without them."""
    plain = detector.analyze(portrait_clip, frames=4)
    heated = detector.analyze(portrait_clip, frames=4, heatmaps=1)
    assert same_scores(plain.verdict, heated.verdict)
    assert [replace(item, heat_jpeg=None) for item in heated.evidence] == list(plain.evidence)


def test_heat_maps_of_nobody(detector: Detector) -> None:
    """Without a face there is nothing to show, and no error."""
    analysis = detector.analyze(np.full((240, 320, 3), 127, np.uint8), heatmaps=3)
    assert analysis.evidence == ()


def test_heat_maps_are_part_of_the_progress(detector: Detector, portrait_clip: Path) -> None:
    """After the frames, one step a map."""
    steps: list[Progress] = []
    detector.analyze(portrait_clip, frames=3, heatmaps=2, progress=steps.append)
    name = str(portrait_clip)
    assert steps[3:] == [Progress("heatmaps", 1, 2, name), Progress("heatmaps", 2, 2, name)]


def test_a_negative_number_of_heat_maps_is_refused(detector: Detector, portrait: Image) -> None:
    """The option is named."""
    with pytest.raises(UsageError, match="heatmaps"):
        detector.analyze(portrait, heatmaps=-1)


def jpeg_picture(data: bytes | None) -> Image:
    """The RGB picture of a JPEG."""
    assert data is not None
    return np.asarray(Pictures.open(io.BytesIO(data)))
