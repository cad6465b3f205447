"""Targets are data: shown, read back, changed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from dfedge.bundles.card import BatchProfile, Deployment
from dfedge.errors import UsageError
from dfedge_tools.exporting.targets import TARGETS, find_target, override, show


@pytest.mark.parametrize("name", ["cpu", "web", "mobile", "jetson"])
def test_a_target_that_was_shown_is_read_back(name: str, tmp_path: Path) -> None:
    """What ``--show-target`` prints is what ``--target FILE`` takes."""
    path = tmp_path / "target.json"
    path.write_text(show(TARGETS[name]))
    assert find_target(name) == find_target(str(path)) == TARGETS[name]


def test_a_file_need_hold_only_what_it_changes(tmp_path: Path) -> None:
    """The rest is the preset's."""
    path = tmp_path / "target.json"
    path.write_text('{"target": "web", "max_megabytes": 4.5}')
    assert find_target(str(path)) == msgspec.structs.replace(TARGETS["web"], max_megabytes=4.5)


def test_fields_are_changed_by_words_and_by_json() -> None:
    """A value that is no JSON is taken as a word."""
    settings = ["weights=fp16", 'batch={"smallest": 1, "usual": 2, "largest": 4}', "simplify=false"]
    changed = override(TARGETS["cpu"], settings)
    assert changed.weights == "fp16"
    assert changed.batch == BatchProfile(smallest=1, usual=2, largest=4)
    assert changed.simplify is False


def test_the_card_says_what_a_jetson_needs() -> None:
    """Precision and batch profile."""
    profile = BatchProfile(smallest=1, usual=8, largest=32)
    assert TARGETS["jetson"].deployment == Deployment(
        target="jetson", precision="float16", batch=profile
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["weights"], "is not KEY=VALUE"),
        (["weights=tiny"], "Invalid enum value 'tiny'"),
        (["colour=red"], "unknown field `colour`"),
        (["opset=17"], "`int` >= 18"),
        (["format=ort", "weights=small"], "weights must be keep"),
        (['batch={"smallest": 4, "usual": 2, "largest": 8}'], "batch must not decrease"),
    ],
)
def test_an_impossible_setting_is_a_message(settings: list[str], message: str) -> None:
    """It names the option and what is wrong."""
    with pytest.raises(UsageError, match=message) as caught:
        override(TARGETS["cpu"], settings)
    assert str(caught.value).startswith("--set")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is none of cpu, web, mobile, jetson"),
        ("[", "is no JSON object"),
        ('{"opset": 20}', "its target is None"),
        ('{"target": "web", "weights": 3}', "is no target"),
    ],
)
def test_a_bad_target_file_is_a_message(text: str | None, message: str, tmp_path: Path) -> None:
    """It names the file."""
    path = tmp_path / "target.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        find_target(str(path))
    assert str(path) in str(caught.value)
