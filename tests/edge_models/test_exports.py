"""Every large model as an ONNX graph, at a small size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra 'tools'")
pytest.importorskip("timm", reason="needs the extra 'tools'")
pytest.importorskip("onnx", reason="needs the extra 'tools'")
pytest.importorskip("onnxsim", reason="needs the extra 'tools'")

import onnx

from dfedge_tools.exporting.graph import export_onnx
from dfedge_tools.exporting.operators import check_operators
from dfedge_tools.exporting.targets import Runtime

RUNTIMES: tuple[Runtime, ...] = ("cpu", "webgpu", "tensorrt")
LARGE = ("genconvit", "dfd_clip_l", "dfedge_convnext_tiny_multitask")
"""GenConViT's networks are tested in their ensemble."""


@pytest.mark.parametrize("name", LARGE)
def test_the_graph_gives_the_same_logits_and_holds_no_more(
    tmp_path: Path,
    name: str,
    smaller: dict[str, dict[str, int]],
    seeded_model: Callable[..., Any],
) -> None:
    """Within 1e-4 of torch, of operators that all runtimes have, without a dead weight.

    The weights are those of the golden logits, under which each picture has its own.
    """
    model = seeded_model(name, **smaller[name])
    path = tmp_path / "model.onnx"
    report = export_onnx(model, path, batch_sizes=(1, 3))
    assert report.max_difference < 1e-4
    graph = onnx.load(path)
    assert [check_operators(graph, runtime).missing for runtime in RUNTIMES] == [(), (), ()]
    held = sum(value.nbytes for value in (*model.parameters(), *model.buffers()))
    assert path.stat().st_size < held + 300_000
