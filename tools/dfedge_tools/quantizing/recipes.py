"""Recipes for smaller models, as data: what each stores or computes in fewer bits.

A recipe names kinds of layers and patterns of layer names, nothing of one model, so it can be
applied to any. ``dfedge quantize --show NAME`` prints one as the JSON that ``--recipe FILE`` reads.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from dfedge.errors import UsageError

LayerKind: TypeAlias = Literal["linear", "pointwise", "depthwise", "convolution", "transposed"]
Method: TypeAlias = Literal["stored", "dynamic", "static", "half"]
Target: TypeAlias = Literal["cpu", "web", "mobile", "jetson"]

ALL_KINDS: tuple[LayerKind, ...] = (
    "linear",
    "pointwise",
    "depthwise",
    "convolution",
    "transposed",
)
HEADS = ("head*", "*.head.*", "fc", "*.fc", "fc2", "classifier*")
"""Last layers by the names they have in this family: nothing after them evens out an error."""
SQUEEZE_EXCITE = ("*.se.*", "*.mb_conv.2.fc.*")
"""Gates computed from channel means: few values, wide ranges."""
STEMS = ("*stem*", "*patch_embed.proj")


class Ranges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the int8 range of an activation is found, from what it is on real inputs."""

    method: Literal["minmax", "percentile", "entropy"] = "percentile"
    percentile: Annotated[float, Meta(gt=50.0, le=100.0)] = 99.99
    """Share of values inside the range, percent; of method ``percentile`` only."""
    symmetric: bool = False
    """About zero, as TensorRT needs it; costs fidelity."""
    count: Annotated[int, Meta(ge=1, le=10_000)] = 64
    """Most inputs to look at."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way to make a model smaller."""

    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9._-]{0,31}$")]
    summary: str = ""
    """What it buys and what it costs."""
    method: Method
    """``stored``: short in the file, float32 when it runs. ``dynamic``: int8 products, the range of
    each activation found at run time. ``static``: int8 products, ranges fixed beforehand.
    ``half``: float16 products."""
    int8: tuple[LayerKind, ...] = ()
    """Kinds of layers whose weights become int8, with a scale for each output channel."""
    exclude: tuple[str, ...] = ()
    """Patterns of layer names (``*`` and ``?``) that do not become int8."""
    rest: Literal["float16", "float32"] = "float16"
    """How all other large constants are stored."""
    ranges: Ranges | None = None
    """Of method ``static``, which needs it."""

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.int8 if self.method == "dynamic" and kind != "linear"]
        if unknown:
            raise ValueError(f"`int8` holds {unknown[0]!r}; method 'dynamic' knows 'linear' only")
        if self.method in ("dynamic", "static") and not self.int8:
            raise ValueError(f"`int8` is empty; method {self.method!r} needs a kind of layers")
        if self.method == "half" and (self.int8 or self.exclude or self.rest != "float16"):
            raise ValueError("`method` 'half' takes no `int8` and no `exclude`")
        if (self.method == "static") != (self.ranges is not None):
            raise ValueError("`ranges` belongs to method 'static', which needs it")

    @property
    def targets(self) -> tuple[Target, ...]:
        """Where the result runs: WebGPU has no int8 arithmetic (measured with onnxruntime-web
        1.30), TensorRT wants ranges that are fixed and symmetric, and a CPU is slow in float16.
        """
        if self.method == "stored":
            return ("cpu", "web", "mobile", "jetson")
        if self.method == "half":
            return ("jetson",)
        if self.ranges is not None and self.ranges.symmetric:
            return ("cpu", "mobile", "jetson")
        return ("cpu", "mobile")


RECIPES: tuple[Recipe, ...] = (
    Recipe(
        name="small",
        summary="Linear layers in a quarter of their size, all else in half; the same verdicts on "
        "every target and no loss of speed. What ships.",
        method="stored",
        int8=("linear",),
        exclude=HEADS,
    ),
    Recipe(
        name="weights-int8",
        summary="All layers in a quarter of their size: the smallest, on every target. "
        "Probabilities move by a few percent; --search finds the layers to leave out.",
        method="stored",
        int8=ALL_KINDS,
        exclude=HEADS,
    ),
    Recipe(
        name="fp16",
        summary="Half the size and hardly a difference; on every target. For models that bear "
        "nothing else.",
        method="stored",
    ),
    Recipe(
        name="dynamic-int8",
        summary="Size of small, and int8 products in linear layers: faster where they are most of "
        "the work and the CPU has int8 instructions. A crop's score hangs on its batch.",
        method="dynamic",
        int8=("linear",),
        exclude=(*HEADS, *SQUEEZE_EXCITE),
    ),
    Recipe(
        name="static-qdq",
        summary="Int8 products in convolutions too, for NPUs and TensorRT, which gain speed by it; "
        "a CPU does not. The most costly in fidelity: calibrate it with your own faces.",
        method="static",
        int8=("linear", "pointwise"),
        exclude=(*HEADS, *SQUEEZE_EXCITE, *STEMS),
        ranges=Ranges(),
    ),
    Recipe(
        name="fp16-compute",
        summary="Half the size and float16 products, for GPUs that gain speed by them; what export "
        "does for jetson. Slow on a CPU.",
        method="half",
    ),
)


def find_recipe(text: str) -> Recipe:
    """The recipe of a name or of a JSON file.

    Raises:
        UsageError: there is none, or the file is no recipe; the message names the field.
    """
    for recipe in RECIPES:
        if recipe.name == text:
            return recipe
    if text.endswith(".json"):
        return read_recipe(Path(text))
    names = ", ".join(recipe.name for recipe in RECIPES)
    raise UsageError(f"--recipe {text}: is none of {names}, and no .json file of a recipe")


def read_recipe(path: Path) -> Recipe:
    """A recipe of one's own.

    Raises:
        UsageError: the file cannot be read or is no recipe; the message names the field.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Recipe)
    except OSError as error:
        raise UsageError(
            f"--recipe {path}: cannot be read ({error.strerror}); give the file of a recipe"
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            f"--recipe {path}: is no recipe: {error}; dfedge quantize --show NAME prints one"
        ) from error


def recipe_json(recipe: Recipe) -> str:
    """The file of a recipe."""
    return msgspec.json.format(msgspec.json.encode(recipe), indent=2).decode() + "\n"


def list_text() -> str:
    """All recipes with their targets and what they buy, for ``--list``."""
    lines = []
    for recipe in RECIPES:
        lines.append(f"{recipe.name}: {', '.join(recipe.targets)}")
        lines.append(textwrap.indent(textwrap.fill(recipe.summary, width=84), "    "))
    return "\n".join(lines)


def as_values(recipe: Recipe) -> dict[str, object]:
    """A recipe with its targets, for ``--list --json``."""
    return {**msgspec.to_builtins(recipe), "targets": list(recipe.targets)}
