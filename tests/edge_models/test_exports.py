"""Every large model as an ONNX graph, at a small size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the extra 'tools'")
pytest.importorskip("timm", reason="needs the extra 'tools'")
pytest.importorskip("onnx", reason="needs the extra 'tools'")
pytest.importorskip("onnxsim", reason="needs the extra 'tools'")

import onnx
import torch

import dfedge_models
from dfedge_models import CLIPVideoDetector
from dfedge_tools.exporting.graph import export_onnx
from dfedge_tools.exporting.operators import check_operators
from dfedge_tools.exporting.targets import Runtime

RUNTIMES: tuple[Runtime, ...] = ("cpu", "webgpu", "tensorrt")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("genconvit", {"img_size": 64}),  # both networks at once
        ("dfd_clip_l", {"img_size": 56, "frames": 3, "depth": 1}),
        ("dfedge_convnext_tiny_multitask", {"img_size": 64}),
    ],
)
def test_the_graph_gives_the_same_logits_and_holds_no_more(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    """Within 1e-4 of torch, of operators that all runtimes have, without a dead weight."""
    torch.manual_seed(0)
    model = dfedge_models.create(name, **options).eval()
    if isinstance(model, CLIPVideoDetector):
        torch.nn.init.normal_(model.adapters[0].up.weight, std=0.05)  # type: ignore[union-attr,arg-type]
    path = tmp_path / "model.onnx"
    report = export_onnx(model, path, batch_sizes=(1, 3))
    assert report.max_difference < 1e-4
    graph = onnx.load(path)
    assert [check_operators(graph, runtime).missing for runtime in RUNTIMES] == [(), (), ()]
    held = sum(value.nbytes for value in (*model.parameters(), *model.buffers()))
    assert path.stat().st_size < held + 300_000
