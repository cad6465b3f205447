"""The JSON Schemas are current, valid, and say what the Python types say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dfedge.bundles.bundle import read_card
from dfedge.bundles.schema import (
    CARD_SCHEMA_PATH,
    VERDICT_SCHEMA_PATH,
    card_schema,
    main,
    verdict_schema,
)
from dfedge.bundles.store import builtin_folder
from dfedge.errors import BundleFormatError
from dfedge.types import Box
from dfedge.verdict import (
    Label,
    ModelInfo,
    Observation,
    Opinion,
    Reason,
    SourceInfo,
    TimelinePoint,
    Timing,
    TrackVerdict,
    Verdict,
)


def validator(path: Path) -> jsonschema.Draft202012Validator:
    """A validator of the schema in a file of the repository."""
    schema = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def a_verdict() -> Verdict:
    """A verdict with something in every field."""
    seen = Observation(
        pts_seconds=0.5,
        frame_index=12,
        box=Box(1.0, 2.0, 30.0, 40.0),
        detection_score=0.9,
        logit=2.5,
        fake_probability=0.9,
        issues=(Reason.TOO_DARK,),
    )
    track = TrackVerdict(
        track_id=0,
        label=Label.FAKE,
        fake_probability=0.9,
        confidence=0.9,
        reasons=(Reason.SCORE_ABOVE_FAKE_THRESHOLD,),
        usable_frames=1,
        observations=(seen,),
    )
    return Verdict(
        source=SourceInfo(
            name="clip.mp4",
            kind="video",
            width=640,
            height=360,
            duration_seconds=10.0,
            sampling="even",
            frames_sampled=20,
            frames_with_face=19,
        ),
        label=Label.FAKE,
        fake_probability=0.9,
        confidence=0.9,
        reasons=(Reason.SCORE_ABOVE_FAKE_THRESHOLD,),
        tracks=(track,),
        timeline=(TimelinePoint(pts_seconds=0.5, fake_probability=None),),
        opinions=(Opinion(model="tiny", tier="edge", label=Label.FAKE, fake_probability=0.9),),
        models=(ModelInfo(name="tiny", version="0.1.0", sha256="0" * 64, role="edge"),),
        timing=Timing(
            total_seconds=1.0, decode_seconds=0.5, faces_seconds=0.2, classify_seconds=0.2
        ),
        dfedge_version="0.1.0",
    )


def test_the_files_are_what_the_types_generate() -> None:
    """Whoever changes a type writes the schemas again."""
    assert main([]) == 0, "run python -m dfedge.bundles.schema --write"
    for path, schema in (
        (CARD_SCHEMA_PATH, card_schema()),
        (VERDICT_SCHEMA_PATH, verdict_schema()),
    ):
        assert json.loads(json.dumps(schema)) == json.loads(path.read_text(encoding="utf-8"))


def test_a_stale_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check fails on a file that differs, --write makes it right."""
    stale = tmp_path / "card.schema.json"
    stale.write_text("{}", encoding="utf-8")
    monkeypatch.setattr("dfedge.bundles.schema.CARD_SCHEMA_PATH", stale)
    assert main([]) == 1
    assert f"{stale} is not current" in capsys.readouterr().err
    monkeypatch.setattr("dfedge.bundles.schema.VERDICT_SCHEMA_PATH", tmp_path / "verdict.json")
    assert main(["--write"]) == 0
    assert main([]) == 0


def test_good_cards_validate(bundle_maker: Any) -> None:
    """Both kinds of card that Python takes, the schema takes."""
    for folder in (bundle_maker.detector(), bundle_maker.face_detector()):
        validator(CARD_SCHEMA_PATH).validate(json.loads((folder / "card.json").read_text()))


def test_cards_that_ship_validate() -> None:
    """Every card under the built-in folder fits the schema."""
    cards = sorted(builtin_folder().glob("*/card.json"))
    assert cards, f"no bundle under {builtin_folder()}"
    for card in cards:
        validator(CARD_SCHEMA_PATH).validate(json.loads(card.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("schema",), None),
        (("schema",), "dfedge.card/2"),
        (("kind",), "voice"),
        (("name",), "../x"),
        (("version",), "1"),
        (("files", 0, "sha256"), "abc"),
        (("files", 0, "name"), "a/b"),
        (("files", 0, "size_bytes"), 0),
        (("input", "width"), 0),
        (("input", "std"), [1.0, 1.0]),
        (("input", "unknown"), 1),
        (("crop", "margin"), 3),
        (("output", "activation"), "relu"),
        (("decision", "fake", "threshold"), 1.01),
        (("decision", "min_usable_frames"), 0),
    ],
)
def test_schema_and_types_refuse_alike(
    bundle_maker: Any, place: tuple[str | int, ...], value: Any
) -> None:
    """What the schema refuses, Python refuses too (None stands for a field left out)."""
    card: Any = json.loads((bundle_maker.detector() / "card.json").read_text())
    part = card
    for key in place[:-1]:
        part = part[key]
    if value is None:
        del part[place[-1]]
    else:
        part[place[-1]] = value
    assert not validator(CARD_SCHEMA_PATH).is_valid(card)
    with pytest.raises(BundleFormatError):
        read_card(json.dumps(card).encode())


def test_a_verdict_validates() -> None:
    """The JSON form of a verdict fits its schema, and comes back equal."""
    verdict = a_verdict()
    validator(VERDICT_SCHEMA_PATH).validate(json.loads(verdict.to_json()))
    assert verdict == Verdict.from_json(verdict.to_json())


@pytest.mark.parametrize(
    ("field", "value"),
    [("schema", "dfedge.verdict/2"), ("label", "MAYBE"), ("fake_probability", 1.5)],
)
def test_a_wrong_verdict_does_not_validate(field: str, value: Any) -> None:
    """The schema refuses another version, an unknown label and an impossible probability."""
    document = {**json.loads(a_verdict().to_json()), field: value}
    assert not validator(VERDICT_SCHEMA_PATH).is_valid(document)
