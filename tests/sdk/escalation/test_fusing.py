"""The server's verdict beside the device's: who may say what."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from dfedge.escalation.fusing import alone, joined, told
from dfedge.verdict import Label, ModelInfo, Opinion, Reason, Timing, Verdict

from .conftest import judged


@pytest.fixture
def device(analysis_maker: Any) -> Verdict:
    """An unsure verdict of a device."""
    verdict: Verdict = analysis_maker.analysis(
        "/home/me/clip.mp4", [0.5] * 4, problems=["/home/me/clip.mp4 ends early"]
    ).verdict
    opinion = Opinion(
        model="tiny-detector", tier="edge", label=Label.UNCERTAIN, fake_probability=0.5
    )
    return replace(verdict, opinions=(opinion,))


def test_the_label_is_the_servers_and_the_rest_the_devices(device: Verdict) -> None:
    """Source, edge opinion, edge models and clock stay what the device knows."""
    hostile = replace(device.source, name="other.mp4", width=1)
    lie = Opinion(model="tiny-detector", tier="edge", label=Label.REAL, fake_probability=0.01)
    server = judged(device)
    server = replace(
        server,
        source=hostile,
        opinions=(lie, *server.opinions[1:]),
        timing=Timing(total_seconds=0, decode_seconds=0, faces_seconds=0, classify_seconds=0),
    )
    fused = joined(device, server, total_seconds=3.5)
    assert (fused.label, fused.fake_probability) == (Label.FAKE, 0.9)
    assert fused.source == device.source
    assert [opinion.model for opinion in fused.opinions] == ["tiny-detector", "heavy-one"]
    assert fused.opinions[0] == device.opinions[0]
    assert fused.timing == replace(device.timing, total_seconds=3.5)
    assert [model.role for model in fused.models] == ["edge", "heavy"]
    assert Reason.PARTLY_UNREADABLE in fused.reasons


def _without_own_opinion(verdict: Verdict) -> Verdict:
    return replace(verdict, opinions=verdict.opinions[:1])


def _with_escape(verdict: Verdict) -> Verdict:
    return replace(verdict, opinions=(replace(verdict.opinions[1], model="a\x1b[2J"),))


def _with_long_version(verdict: Verdict) -> Verdict:
    model = ModelInfo(name="m", version="1" * 5000, sha256="", role="heavy")
    return replace(verdict, models=(model,))


def _with_many(verdict: Verdict) -> Verdict:
    return replace(verdict, opinions=verdict.opinions * 100)


def _in_the_far_future(verdict: Verdict) -> Verdict:
    return replace(verdict, timeline=(replace(verdict.timeline[0], pts_seconds=1e300),))


def _with_nobody(verdict: Verdict) -> Verdict:
    return replace(verdict, tracks=(replace(verdict.tracks[0], observations=()),))


@pytest.mark.parametrize(
    "lie",
    [
        _without_own_opinion,
        _with_escape,
        _with_long_version,
        _with_many,
        _in_the_far_future,
        _with_nobody,
    ],
)
def test_what_cannot_be_meant_is_refused(device: Verdict, lie: Any) -> None:
    """Of the right form is not enough: it will be drawn, printed and believed."""
    with pytest.raises(ValueError, match="verdict"):
        joined(device, lie(judged(device)), total_seconds=1.0)


def test_alone_the_device_says_so(device: Verdict) -> None:
    """The same verdict, with one reason more."""
    assert alone(device) == replace(device, reasons=(*device.reasons, Reason.ESCALATION_FAILED))


def test_the_server_is_told_no_path(device: Verdict) -> None:
    """Neither in the name nor in what could not be read."""
    assert "/home/me" not in told(device, "").to_json()
    assert "clip.mp4" not in told(device, "").to_json()
    assert told(device, "clip.mp4").source.name == "clip.mp4"
