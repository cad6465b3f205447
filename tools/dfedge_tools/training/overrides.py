"""``--set key.path=value``: a recipe with some of its values changed, checked by their types."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import msgspec

from dfedge.errors import UsageError
from dfedge_tools.training.config import Recipe, Stage


def apply_overrides(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with values of its stages replaced.

    Args:
        settings: Each ``key.path=value``. A path may begin with the name of a stage, else it holds
            for every stage that has it. In lists of named things (``parts``) the name is the key,
            else the number from 0. A value is JSON or plain text.

    Raises:
        UsageError: A key is not there, or a value has the wrong type.
    """
    stages = list(recipe.stages)
    for setting in settings:
        path, separator, value = setting.partition("=")
        if not separator:
            raise UsageError(f"--set {setting}: give key=value, such as loop.steps=2000")
        stages = _apply(stages, path.strip().split("."), value.strip(), setting)
    return replace(recipe, stages=tuple(stages))


def _apply(stages: list[Stage], keys: list[str], value: str, setting: str) -> list[Stage]:
    names = [stage.name for stage in stages]
    chosen = names
    if keys[0] in names:
        chosen, keys = [keys[0]], keys[1:]
    problems: list[UsageError] = []
    out = []
    for stage in stages:
        changed = stage
        if stage.name in chosen:
            try:
                changed = _changed(stage, keys, value, setting)
            except _NoSuchKeyError as error:
                problems.append(error)
        out.append(changed)
    if len(problems) == len(chosen):
        raise UsageError(str(problems[0]))
    return out


class _NoSuchKeyError(UsageError):
    """One stage may lack what another has."""


def _changed(stage: Stage, keys: Sequence[str], value: str, setting: str) -> Stage:
    values = msgspec.json.decode(msgspec.json.encode(stage))
    place = values
    for key in keys[:-1]:
        place = place[_find(place, key, setting)]
    if not keys or keys[-1] == "name":
        raise UsageError(f"--set {setting}: that cannot be changed")
    place[_find(place, keys[-1], setting)] = _parsed(value)
    try:
        return msgspec.convert(values, type(stage))
    except msgspec.ValidationError:
        place[_find(place, keys[-1], setting)] = value
    try:
        return msgspec.convert(values, type(stage))
    except msgspec.ValidationError as error:
        raise UsageError(f"--set {setting}: {error}") from error


def _find(place: Any, key: str, setting: str) -> Any:
    """The key or index of `key` in a dict or list."""
    if isinstance(place, dict):
        options = {name: name for name in place}
    elif isinstance(place, list):
        options = {
            str(item["name"] if isinstance(item, dict) and "name" in item else number): number
            for number, item in enumerate(place)
        }
    else:
        raise _NoSuchKeyError(f"--set {setting}: there is nothing below {place!r}")
    if key not in options:
        near = get_close_matches(key, options, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(options)}"
        raise _NoSuchKeyError(f"--set {setting}: there is no {key!r}; {hint}")
    return options[key]


def _parsed(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value
