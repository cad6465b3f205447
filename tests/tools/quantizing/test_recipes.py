"""Recipes as data: what ships, what a file may say, how a wrong one is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra 'tools'")
pytest.importorskip("onnx", reason="needs the extra 'tools'")

from dfedge.errors import UsageError
from dfedge_tools.quantizing.quantizer import describe
from dfedge_tools.quantizing.recipes import RECIPES, Recipe, find_recipe, recipe_json


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_is_its_own_file(recipe: Recipe, tmp_path: Path) -> None:
    """What --show prints, --recipe reads back."""
    path = tmp_path / "r.json"
    path.write_text(recipe_json(recipe))
    assert recipe == find_recipe(str(path))
    assert recipe == find_recipe(recipe.name)


def test_each_recipe_says_what_it_buys_and_where_it_runs() -> None:
    """A sentence and a target at least."""
    assert [] == [recipe.name for recipe in RECIPES if not recipe.summary or not recipe.targets]


def test_int8_arithmetic_is_for_no_browser() -> None:
    """WebGPU lacks its operators; weights stored short run everywhere."""
    web = [recipe.name for recipe in RECIPES if "web" in recipe.targets]
    assert ["small", "weights-int8", "fp16"] == web


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"int8": ["attention"]}, "$.int8[0]"),
        ({"method": "magic"}, "$.method"),
        ({"name": "Bad Name"}, "$.name"),
        ({"exclude": "head"}, "$.exclude"),
        ({"rest": "int4"}, "$.rest"),
        ({"bits": 4}, "bits"),
        ({"ranges": {"percentile": 200}}, "$.ranges.percentile"),
        ({"ranges": {"method": "guess"}}, "$.ranges.method"),
        ({"ranges": {"count": 0}}, "$.ranges.count"),
        ({"ranges": {}}, "`ranges` belongs to method 'static'"),
        ({"method": "static"}, "`ranges` belongs to method 'static'"),
        ({"method": "dynamic", "int8": ["pointwise"]}, "`int8` holds 'pointwise'"),
        ({"method": "dynamic", "int8": []}, "`int8` is empty"),
        ({"method": "half"}, "`method` 'half'"),
    ],
)
def test_a_bad_file_is_refused_by_field(
    changes: dict[str, Any], named: str, tmp_path: Path
) -> None:
    """The message names the file and the field."""
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"name": "x", "method": "stored", "int8": ["linear"], **changes}))
    with pytest.raises(UsageError) as refused:
        find_recipe(str(path))
    assert str(path) in str(refused.value)
    assert named in str(refused.value)


@pytest.mark.parametrize("text", [b"", b"[1", b"\xff\xfe", b"[]", b"[" * 100_000])
def test_what_is_no_json_is_refused(text: bytes, tmp_path: Path) -> None:
    """Whatever it is."""
    path = tmp_path / "bad.json"
    path.write_bytes(text)
    with pytest.raises(UsageError, match="is no recipe"):
        find_recipe(str(path))


def test_an_unknown_recipe_is_refused(tmp_path: Path) -> None:
    """The message lists those there are; a file that is not there is said to be so."""
    with pytest.raises(UsageError, match="none of small, weights-int8"):
        find_recipe("int4")
    with pytest.raises(UsageError, match="cannot be read"):
        find_recipe(str(tmp_path / "nothing.json"))


def test_the_words_for_the_card_tell_what_was_left_out() -> None:
    """And what ranges were found on."""
    text = describe(find_recipe("static-qdq"), calibrated_on="64 faces of a set")
    assert text.startswith("static-qdq: int8 weights of linear and pointwise layers")
    assert "ranges by percentile 99.99 on 64 faces of a set" in text
    assert "*.se.*" in text
    assert "float16 arithmetic" in describe(find_recipe("fp16-compute"))
