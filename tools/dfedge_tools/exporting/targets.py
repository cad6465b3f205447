"""What a bundle is made for: four presets, as data that can be read and changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from dfedge.bundles.card import BatchProfile, Deployment
from dfedge.errors import UsageError

TargetName: TypeAlias = Literal["cpu", "web", "mobile", "jetson"]
Runtime: TypeAlias = Literal["cpu", "wasm", "webgpu", "mobile", "tensorrt"]
"""Whose operators are checked; :data:`dfedge_tools.exporting.operators.RUNTIMES` tells of each."""


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a graph is written for a place to run."""

    target: TargetName
    """Stands in the card."""
    opset: Annotated[int, Meta(ge=18, le=23)] = 20
    """Of a graph made from weights; a bundle's graph keeps its own. 20 has Gelu as one operator,
    and every runtime below reads it."""
    simplify: bool = True
    """Fold constants and merge nodes with onnxsim (graphs over 1 GB are left as they are)."""
    weights: Literal["keep", "small", "weights-int8", "fp16"] = "keep"
    """How they are stored: as they are, or by a recipe of ``dfedge quantize`` that widens them when
    the model is loaded, so that the arithmetic stays what it was."""
    precision: Literal["float32", "float16"] = "float32"
    """Of the arithmetic; inputs, outputs, norms and sums over many values stay float32."""
    batch: BatchProfile | None = None
    """Sizes an engine is built for; none: any batch."""
    format: Literal["onnx", "ort"] = "onnx"
    """File of the graph: ONNX, or ONNX Runtime's own."""
    runtimes: tuple[Runtime, ...] = ()
    """Whose operators the graph is checked against."""
    max_probability_change: Annotated[float, Meta(gt=0, le=1)] = 0.02
    """Of P(fake) on any input checked, where weights or arithmetic were shortened."""
    max_megabytes: Annotated[float, Meta(gt=0)] | None = None
    """Of the graph's file, in 10^6 bytes; over it the command ends with code 1."""

    @property
    def deployment(self) -> Deployment:
        """As the card has it."""
        return Deployment(target=self.target, precision=self.precision, batch=self.batch)


TARGETS: Final[Mapping[str, Target]] = MappingProxyType(
    {
        "cpu": Target(target="cpu", runtimes=("cpu",)),
        "web": Target(
            target="web", weights="small", runtimes=("wasm", "webgpu"), max_megabytes=15.0
        ),
        "mobile": Target(target="mobile", format="ort", runtimes=("mobile",)),
        "jetson": Target(
            target="jetson",
            precision="float16",
            batch=BatchProfile(smallest=1, usual=8, largest=32),
            runtimes=("tensorrt",),
        ),
    }
)
"""By name. The limit of the web is what a page may ask a visitor to load."""


def find_target(name: str) -> Target:
    """The preset of a name, or what a JSON file says.

    A file holds the fields to change and ``target``, the preset they change.

    Raises:
        UsageError: there is neither, or the file is no target.
    """
    if name in TARGETS:
        return TARGETS[name]
    path = Path(name)
    if not path.is_file():
        raise UsageError(
            f"--target {name}: is none of {', '.join(TARGETS)}, and no JSON file of a target"
        )
    try:
        fields = msgspec.json.decode(path.read_bytes(), type=dict[str, object])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is no JSON object ({error}); correct --target") from error
    preset = fields.get("target")
    if preset not in TARGETS:
        raise UsageError(f"{path}: its target is {preset!r}, it must be of {', '.join(TARGETS)}")
    return _changed(TARGETS[str(preset)], fields, where=str(path))


def override(target: Target, settings: Iterable[str]) -> Target:
    """The target with fields changed, each by a text ``KEY=VALUE``; the value is JSON or a word.

    Raises:
        UsageError: a text is not of that form, or the target cannot be.
    """
    fields: dict[str, object] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting}: is not KEY=VALUE, such as weights=fp16")
        try:
            fields[key] = msgspec.json.decode(text)
        except msgspec.MsgspecError:
            fields[key] = text
    return _changed(target, fields, where="--set")


def show(target: Target) -> str:
    """The target as JSON, which ``--target FILE`` reads back."""
    return msgspec.json.format(msgspec.json.encode(target), indent=2).decode()


def _changed(target: Target, fields: Mapping[str, object], *, where: str) -> Target:
    try:
        changed = msgspec.convert({**msgspec.to_builtins(target), **fields}, Target)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: is no target: {error}; see --show-target") from error
    _check(changed, where=where)
    return changed


def _check(target: Target, *, where: str) -> None:
    if target.format == "ort" and (target.weights != "keep" or target.precision != "float32"):
        raise UsageError(
            f"{where}: format ort holds constants as they are computed with, so weights must be "
            "keep and precision float32; use format=onnx for a smaller file"
        )
    batch = target.batch
    if batch is not None and not batch.smallest <= batch.usual <= batch.largest:
        raise UsageError(f"{where}: batch must not decrease from smallest over usual to largest")
