"""What the page of an escalation says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from dfedge.escalation.wire import (
    Crop,
    Escalation,
    Media,
    Override,
    Problem,
    Stage,
    State,
    Submission,
)
from dfedge.verdict import Label
from dfedge_server.review.page import ItemView, item_view

from .conftest import NOON, EscalationMaker

KEPT = (Media(part="clip", href="/v1/escalations/x/media/clip"),)


def shown(escalation: Escalation, **asked: Any) -> ItemView:
    """The page of an escalation that was asked for so."""
    submission = Submission(**({"kind": escalation.kind} | asked))
    return item_view(escalation, msgspec.to_builtins(submission), media_gone=False)


def test_a_fused_verdict_is_told_in_words_and_on_a_scale(
    escalation_maker: EscalationMaker,
) -> None:
    """The headline, why, and where the score lies between the thresholds."""
    result = shown(escalation_maker.done([0.9] * 4)).result
    assert result is not None
    assert result.scale is not None
    assert (result.headline, result.label, result.tone) == ("Looks fake", "FAKE", "fake")
    assert result.sentences[0].startswith("The models together put the probability")
    assert (20.0, 80.0, 90.0) == (result.scale.real, result.scale.fake, result.scale.score)


def test_every_opinion_names_its_model(escalation_maker: EscalationMaker) -> None:
    """The device's comes first; each with its version and hash; the face finder has none."""
    result = shown(escalation_maker.done([0.9] * 4)).result
    assert result is not None
    assert [(one.model, one.whose, one.label, one.version) for one in result.opinions] == [
        ("device-b0", "Device", "UNCERTAIN", "2.0.0"),
        ("convnext-a", "Server", "FAKE", "3.1.0"),
        ("convnext-b", "Server", "FAKE", "3.1.0"),
    ]
    assert result.opinions[0].sha256 == "d" * 64
    assert ["faces"] == [one.model for one in result.other_models]


def test_without_a_face_there_is_no_number(escalation_maker: EscalationMaker) -> None:
    """No scale, no timeline, no people: only the sentence that says so."""
    result = shown(escalation_maker.done()).result
    assert result is not None
    assert ("No face found", None, None, ()) == (
        result.headline,
        result.scale,
        result.plot,
        result.people,
    )
    assert ("No face was found.",) == result.sentences


def test_without_thresholds_no_scale_is_made_up(escalation_maker: EscalationMaker) -> None:
    """A result that does not tell its thresholds is shown without bands."""
    result = shown(escalation_maker.done([0.9] * 4, thresholds=None)).result
    assert result is not None
    assert (None, None) == (result.scale, result.plot)
    assert {face.tone for face in result.people[0].faces} == {"none"}


def test_faces_stand_beside_their_heat_maps(escalation_maker: EscalationMaker) -> None:
    """Those with a heat map first, the rest in a strip, each with its score and time."""
    result = shown(escalation_maker.done([0.9, 0.95, 0.85], heats=1, blurred=(2,))).result
    assert result is not None
    person = result.people[0]
    assert [("0:00.0", "90%", "convnext-a")] == [
        (face.time, face.score, face.heat_model) for face in person.heats
    ]
    assert [("0:00.5", "95%", ""), ("0:01.0", "85%", "too blurry")] == [
        (face.time, face.score, face.note) for face in person.faces
    ]


def test_the_most_suspicious_person_comes_first_and_decides(
    escalation_maker: EscalationMaker,
) -> None:
    """People are named by their track, and sorted by suspicion."""
    result = shown(escalation_maker.done([0.1] * 4, [0.9] * 4)).result
    assert result is not None
    assert [("Person 2", True), ("Person 1", False)] == [
        (person.name, person.decides) for person in result.people
    ]


def test_the_dots_of_the_timeline_lead_to_their_times(escalation_maker: EscalationMaker) -> None:
    """Each dot knows its second in the source."""
    result = shown(escalation_maker.done([0.9, 0.8, 0.7])).result
    assert result is not None
    assert result.plot is not None
    assert [0.0, 0.5, 1.0] == [stop.seconds for stop in result.plot.lines[0].stops]


def test_crops_say_what_was_sent_and_what_the_device_made_of_it(
    escalation_maker: EscalationMaker,
) -> None:
    """How many crops of how many people, that nothing else came, and the device's own verdict."""
    crops = tuple(
        Crop(
            part=f"c{index}",
            track_id=index % 2,
            frame_index=index,
            pts_seconds=float(index),
            frame_width=640,
            frame_height=360,
            left=0,
            top=0,
            box=(10.0, 10.0, 90.0, 90.0),
            detection_score=0.9,
        )
        for index in range(4)
    )
    page = shown(
        escalation_maker.done([0.9] * 4, kind="crops", media=KEPT),
        crops=crops,
        frames_sampled=20,
        device_verdict=escalation_maker.verdict([0.5] * 4),
    )
    assert page.sent == (
        (
            "4 face crops of 2 people from 4 frames; the device looked at 20 frames. "
            "Nothing else of the pictures was sent."
        ),
        "The device itself said UNCERTAIN, P(fake) 50%. The models do not agree.",
    )
    assert page.media is None


def test_the_media_is_shown_as_long_as_it_is_kept(escalation_maker: EscalationMaker) -> None:
    """A clip in a player; once it is deleted, nothing."""
    page = shown(escalation_maker.done([0.9] * 4, media=KEPT))
    assert page.media is not None
    assert (KEPT[0].href, True) == (page.media.href, page.media.is_video)
    assert shown(escalation_maker.done([0.9] * 4)).media is None


@pytest.mark.parametrize(
    ("state", "stage", "position", "text"),
    [
        (State.QUEUED, Stage(name="waiting"), 3, "Waiting for its turn: 3 jobs before this one"),
        (State.QUEUED, Stage(name="waiting"), 0, "Waiting for its turn"),
        (State.RUNNING, Stage(name="faces"), None, "Looking for faces"),
        (State.RUNNING, Stage(name="models", done=3, total=8), None, "Asking the models: 3 of 8"),
    ],
)
def test_progress_is_told_in_words(
    escalation_maker: EscalationMaker,
    state: State,
    stage: Stage,
    position: int | None,
    text: str,
) -> None:
    """What is being done, how far it has come, and the place in the queue."""
    page = shown(
        escalation_maker.done(state=state, stage=stage, verdict=None, queue_position=position)
    )
    assert (False, text) == (page.final, page.stage)


def test_a_failure_is_a_sentence_and_no_verdict(escalation_maker: EscalationMaker) -> None:
    """What could not be read gets its problem told, and no result."""
    problem = Problem(title="x", status=422, detail="clip.mp4 is a PDF", code="media_unreadable")
    page = shown(escalation_maker.done(state=State.FAILED, verdict=None, problem=problem))
    assert ("Could not be judged", "clip.mp4 is a PDF", None) == (
        page.state_text,
        page.problem,
        page.result,
    )


def test_every_decision_of_a_person_is_kept(escalation_maker: EscalationMaker) -> None:
    """The newest first, with who, when and why, beside the models' own verdict."""
    overrides = tuple(
        Override(label=label, note=note, by="Ana", at=NOON + timedelta(hours=hour))
        for label, note, hour in ((Label.REAL, "Called her.", 2), (Label.UNCERTAIN, "Hm.", 1))
    )
    page = shown(escalation_maker.done([0.9] * 4, overrides=overrides))
    assert [("REAL", "Called her.", "Ana"), ("UNCERTAIN", "Hm.", "Ana")] == [
        (one.label, one.note, one.by) for one in page.overrides
    ]
    assert page.result is not None
    assert page.result.headline == "Looks fake"


def test_a_name_cannot_change_the_direction_of_the_page(
    escalation_maker: EscalationMaker,
) -> None:
    """Control and direction characters of a name become visible."""
    page = shown(escalation_maker.done([0.9] * 4, name="a\u202egpj.mp4"))
    assert page.name == "a\\u202egpj.mp4"
