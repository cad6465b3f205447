"""Tiers of tiny bundles, and the crops a device would send."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import pytest

from dfedge.bundles import store
from dfedge.crops import visible
from dfedge.escalation.crops import sent_region
from dfedge.escalation.wire import Crop, Stage, Submission
from dfedge.faces import FaceTracker, open_face_finder
from dfedge.media import open_media
from dfedge.pipeline import shown_at
from dfedge_server.heavy.result import HeavyResult
from dfedge_server.heavy.sandbox import Sandbox
from dfedge_server.heavy.tier import HeavyTier
from dfedge_server.settings import Settings

from ...sdk.conftest import AnalysisMaker, BundleMaker

FACES, FRAME = "blazeface-full-range", "whole-frame"
MIB = 1024**2


@pytest.fixture(scope="session")
def bundle_maker(tmp_path_factory: pytest.TempPathFactory) -> BundleMaker:
    """Makes tiny bundles for all tests here."""
    onnx = pytest.importorskip("onnx", reason="needs the package onnx to make tiny models")
    return BundleMaker(onnx, tmp_path_factory.mktemp("made"))


@pytest.fixture
def analysis_maker() -> AnalysisMaker:
    """Makes verdicts by hand."""
    return AnalysisMaker()


@pytest.fixture(scope="session")
def tiny(bundle_maker: BundleMaker) -> dict[str, Path]:
    """A bundle of each kind: of face crops, and of whole frames, one or four at once."""
    card = bundle_maker.detector_card()
    decision = {**card["decision"], "min_usable_frames": 1}

    def crop(**fields: Any) -> dict[str, Any]:
        return {**card["crop"], "box_source": FACES, **fields}

    def clip(name: str, source: str) -> Path:
        return bundle_maker.clip_detector(4, box_source=source, name=name)

    def single(name: str, **fields: Any) -> Path:
        return bundle_maker.detector(name=name, decision=decision, crop=crop(**fields))

    return {
        "one": single("one"),
        "wide": single("wide", margin=0.5, squaring="none"),
        "wider": single("wider", margin=1.0, pad_value=90),
        "frame": single("frame", box_source=FRAME),
        "four": clip("four", FACES),
        "four-frames": clip("four-frames", FRAME),
    }


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A process that opens media, with little memory."""
    opened = open_sandbox()
    yield opened
    opened.close()


def open_sandbox(*, memory_bytes: int = 1024 * MIB, seconds: float = 120.0) -> Sandbox:
    """A process that opens media."""
    bundle, _ = store.resolve_face_detector(store.FACE_MODEL)
    return Sandbox(bundle.path, memory_bytes=memory_bytes, seconds=seconds)


@dataclass
class Judging:
    """A tier, and what it told of its last job.

    Attributes:
        stages: of all jobs, in order.
        cancel_after: stages after which it is asked to stop.
    """

    tier: HeavyTier
    workdir: Path
    stages: list[Stage] = field(default_factory=list)
    cancel_after: int | None = None

    def __call__(
        self, submission: Submission, media: dict[str, Path], *, name: str = "x.mp4"
    ) -> HeavyResult:
        """Judge what was sent."""
        return self.tier.judge(
            submission,
            media,
            name=name,
            workdir=self.workdir,
            progress=self.stages.append,
            cancelled=lambda: (
                self.cancel_after is not None and len(self.stages) >= self.cancel_after
            ),
        )


@pytest.fixture(scope="module")
def open_tier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Judging]]:
    """Opens tiers of the models named, which are closed in the end."""
    with ExitStack() as stack:

        def open_one(*models: object, **fields: Any) -> Judging:
            settings = Settings(
                models=tuple(map(str, models)),
                device="cpu",
                model_threads=1,
                **{"heatmaps": 0, **fields},
            )
            tier = HeavyTier(settings)
            stack.callback(tier.close)
            return Judging(tier, tmp_path_factory.mktemp("work"))

        yield open_one


@pytest.fixture(scope="session")
def send_crops(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Cuts the faces of a source as a device does: a submission, and the PNGs."""

    def send(source: Path, *, frames: int) -> tuple[Submission, dict[str, Path]]:
        folder = tmp_path_factory.mktemp("crops")
        tracker, crops, media, looked = FaceTracker(), [], {}, 0
        finder = open_face_finder(threads=1)
        with open_media(source, frames=frames) as reader:
            for frame in reader:
                looked += 1
                for face in tracker.update(finder.find(frame.image), frame):
                    box = face.face.box
                    region = sent_region(box, frame.width, frame.height)
                    assert region is not None
                    part = f"c{len(crops)}"
                    media[part] = folder / part
                    pixels = cv2.cvtColor(visible(frame.image, region), cv2.COLOR_RGB2BGR)
                    media[part].write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
                    crops.append(
                        Crop(
                            part=part,
                            track_id=face.track_id,
                            frame_index=frame.index,
                            pts_seconds=shown_at(frame),
                            frame_width=frame.width,
                            frame_height=frame.height,
                            left=region.left,
                            top=region.top,
                            box=(box.left, box.top, box.right, box.bottom),
                            detection_score=face.face.score,
                        )
                    )
        finder.close()
        return Submission(kind="crops", crops=tuple(crops), frames_sampled=looked), media

    return send
