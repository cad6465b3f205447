"""A row a person: what is said of them, and the pictures the server kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dfedge.escalation.wire import Picture
from dfedge.report.people import by_suspicion, colour_of, describe_observation, tone_of
from dfedge.report.view import TONES, Tone
from dfedge.report.wording import Thresholds, clock, describe_frames, other_reasons, percent, person
from dfedge.verdict import Observation, TrackVerdict, Verdict


@dataclass(frozen=True, slots=True)
class FaceView:
    """One picture of a face.

    Attributes:
        heat_href: the same face with its heat map; empty when it has none.
        heat_model: whose heat map that is.
        score: P(fake) of the frame; empty where the verdict does not tell.
        seconds: where it lies in the source; None for a picture.
        note: why the frame does not count; empty when it does.
    """

    href: str
    heat_href: str
    heat_model: str
    score: str
    tone: str
    time: str
    seconds: float | None
    note: str
    description: str


@dataclass(frozen=True, slots=True)
class PersonView:
    """One track.

    Attributes:
        colour: class of the colour of its line in the timeline.
        decides: the verdict on the whole source is this person's.
        strips: addresses of pictures that show several faces at once.
    """

    name: str
    colour: str
    decides: bool
    label: str
    tone: Tone
    probability: str
    frames: str
    sentences: tuple[str, ...]
    strips: tuple[str, ...]
    heats: tuple[FaceView, ...]
    faces: tuple[FaceView, ...]


def people_views(
    verdict: Verdict, evidence: Sequence[Picture], thresholds: Thresholds | None
) -> tuple[PersonView, ...]:
    """Everybody in the source, the most suspicious first."""
    ranked = by_suspicion(verdict)
    timed = verdict.source.kind != "image"
    people = []
    for rank, track in enumerate(ranked):
        own = [picture for picture in evidence if picture.track_id == track.track_id]
        faces = _faces(track, own, thresholds, timed=timed)
        people.append(
            PersonView(
                name=person(track.track_id),
                colour=colour_of(rank),
                decides=rank == 0 and len(ranked) > 1,
                label=track.label.value.replace("_", " "),
                tone=TONES[track.label],
                probability=percent(track.fake_probability),
                frames=describe_frames(track),
                sentences=other_reasons(track.reasons),
                strips=tuple(picture.href for picture in own if picture.kind == "strip"),
                heats=tuple(face for face in faces if face.heat_href),
                faces=tuple(face for face in faces if not face.heat_href),
            )
        )
    return tuple(people)


def _faces(
    track: TrackVerdict, own: Sequence[Picture], thresholds: Thresholds | None, *, timed: bool
) -> tuple[FaceView, ...]:
    """The faces in order of time, each beside its heat map."""
    observations = {observation.frame_index: observation for observation in track.observations}
    heats: dict[int | None, list[Picture]] = {}
    for picture in own:
        if picture.kind == "heat":
            heats.setdefault(picture.frame_index, []).append(picture)
    faces = sorted(
        (picture for picture in own if picture.kind == "face"),
        key=lambda picture: picture.pts_seconds or 0.0,
    )
    views = []
    for face in faces:
        observation = observations.get(face.frame_index) if face.frame_index is not None else None
        for heat in heats.get(face.frame_index) or (None,):
            views.append(_face(track, face, heat, observation, thresholds, timed=timed))
    return tuple(views)


def _face(
    track: TrackVerdict,
    face: Picture,
    heat: Picture | None,
    observation: Observation | None,
    thresholds: Thresholds | None,
    *,
    timed: bool,
) -> FaceView:
    probability = None if observation is None else observation.fake_probability
    seconds = face.pts_seconds if timed else None
    return FaceView(
        href=face.href,
        heat_href="" if heat is None else heat.href,
        heat_model="" if heat is None else heat.model or "",
        score="" if probability is None else percent(probability),
        tone="none"
        if probability is None or thresholds is None
        else tone_of(probability, thresholds),
        time="" if seconds is None else clock(seconds, tenths=True),
        seconds=seconds,
        note=""
        if observation is None
        else ", ".join(issue.value.replace("_", " ") for issue in observation.issues),
        description=person(track.track_id)
        if observation is None
        else describe_observation(track, observation),
    )
