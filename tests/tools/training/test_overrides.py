"""--set: values of a recipe replaced, by their types."""

from __future__ import annotations

import pytest

from dfedge.errors import UsageError
from dfedge_tools.training.config import FrameStage
from dfedge_tools.training.overrides import apply_overrides
from dfedge_tools.training.recipes import RECIPES

B0 = RECIPES["b0"]


def _stages(*settings: str) -> list[FrameStage]:
    stages = apply_overrides(B0, settings).stages
    return [stage for stage in stages if isinstance(stage, FrameStage)]


def test_a_key_holds_for_every_stage() -> None:
    """Without the name of a stage a setting holds for all; the recipe itself stays as it was."""
    assert [7, 7, 7] == [stage.loop.steps for stage in _stages("loop.steps=7")]
    assert 7 not in [stage.loop.steps for stage in B0.stages]


def test_a_stage_may_be_named() -> None:
    """With the name of a stage it holds for that one."""
    assert [160, 160, 224] == [stage.side for stage in _stages("detector-160.side=224")]


def test_parts_go_by_name() -> None:
    """Named things in a list are found by their name, in the stages that have them."""
    first, _, last = _stages("parts.backbone.learning_rate=1e-5")
    assert 1e-5 == last.parts[0].learning_rate
    assert B0.stages[0] == first


def test_values_of_every_type() -> None:
    """Numbers, words, truths and lists are read as the field wants them, a later one last."""
    stage = _stages(
        "loop.steps=1",
        "loop.steps=9",
        "loop.compile_model=false",
        "loop.floor=1",
        "initial=007",
        'mix.source_weights=[["meb", 1]]',
    )[0]
    assert (9, False, 1.0, "007") == (
        stage.loop.steps,
        stage.loop.compile_model,
        stage.loop.floor,
        stage.initial,
    )
    assert (("meb", 1.0),) == stage.mix.source_weights


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("loop.step=3", "did you mean steps"),
        ("sied=3", "did you mean side"),
        ("zzz=3", "there are name, seed"),
        ("loop.steps=many", "Expected `int`"),
        ("loop.precision=int8", "int8"),
        ("loop.steps.more=3", "nothing below"),
        ("parts.9.learning_rate=3", "there is no '9'"),
        ("loop.steps", "give key=value"),
        ("name=other", "cannot be changed"),
        ("detector-160=3", "cannot be changed"),
    ],
)
def test_mistakes_are_told(setting: str, told: str) -> None:
    """A wrong key or type names the setting and what there is."""
    with pytest.raises(UsageError) as caught:
        apply_overrides(B0, [setting])
    assert str(caught.value).startswith(f"--set {setting}: ")
    assert told in str(caught.value)
