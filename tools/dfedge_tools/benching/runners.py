"""The runtimes, each opened in two steps: imports first, which are not timed, then the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dfedge.errors import RuntimeUnavailableError
from dfedge_tools.benching.messages import Measure, Peak

SEED = 20261121

Run = Callable[[], object]
Opener = Callable[[], tuple[Run, str]]
"""Loads the model; gives a function that runs it once, and what it runs on."""


def open_runtime(job: Measure) -> Opener:
    """Import the job's runtime and set its threads.

    Raises:
        RuntimeUnavailableError: it has no such device here.
    """
    if job.runtime == "ort":
        return _open_ort(job)
    if job.runtime == "openvino":
        return _open_openvino(job)
    return _open_torch(job)


def open_peak(job: Peak) -> Opener:
    """A product of two square float32 matrices in ONNX Runtime on the CPU."""
    import onnx

    from dfedge.bundles.opset import import_onnxruntime

    onnxruntime = import_onnxruntime()

    def load() -> tuple[Run, str]:
        square = [job.side, job.side]
        left, right, out = (
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, square)
            for name in ("left", "right", "out")
        )
        node = onnx.helper.make_node("MatMul", ["left", "right"], ["out"])
        graph = onnx.helper.make_graph([node], "peak", [left, right], [out])
        model = onnx.helper.make_model(
            graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = job.threads
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        matrix = np.random.default_rng(SEED).standard_normal(square, dtype=np.float32)
        feeds = {"left": matrix, "right": matrix}
        return lambda: session.run(None, feeds), "CPUExecutionProvider"

    return load


def _open_ort(job: Measure) -> Opener:
    """As the SDK runs models: its session options, its checks, and no device that falls back."""
    from dfedge.bundles.bundle import load_bundle
    from dfedge.bundles.opset import import_onnxruntime
    from dfedge.runtime import open_model

    import_onnxruntime()
    assert job.bundle is not None
    path = job.bundle

    def load() -> tuple[Run, str]:
        bundle = load_bundle(path, verify=False)  # the model's bytes are checked when it is opened
        model = open_model(bundle, device=job.device, threads=job.threads)  # type: ignore[arg-type]
        feeds = {bundle.card.input.name: _inputs(job)}
        return lambda: model.run(feeds), model.provider

    return load


def _open_openvino(job: Measure) -> Opener:
    """One stream of float32 arithmetic, so that it computes what the others do."""
    import sys

    # OpenVINO's converter, which is not used here, reports its use; without the module it cannot.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino  # type: ignore[import-untyped, import-not-found, unused-ignore]

    from dfedge.bundles.bundle import load_bundle

    assert job.bundle is not None
    path = job.bundle

    def load() -> tuple[Run, str]:
        core = openvino.Core()
        model = core.read_model(load_bundle(path, verify=False).read("model"), b"")
        model.reshape({model.input(0): list(job.shape)})
        compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_NUM_THREADS": job.threads,
                "INFERENCE_PRECISION_HINT": "f32",
                "NUM_STREAMS": 1,
            },
        )
        request = compiled.create_infer_request()
        inputs = {0: _inputs(job)}
        return lambda: request.infer(inputs), "CPU"

    return load


def _open_torch(job: Measure) -> Opener:
    """Eager or compiled by inductor; random weights, float32, contiguous, no gradients."""
    import torch

    import dfedge_models

    torch.set_num_threads(job.threads)
    torch.set_num_interop_threads(1)
    if job.device == "cuda" and not torch.cuda.is_available():
        raise RuntimeUnavailableError(
            f"device 'cuda': the installed torch {torch.__version__} finds no GPU; use --device cpu"
        )
    assert job.architecture is not None
    architecture = job.architecture

    def load() -> tuple[Run, str]:
        torch.manual_seed(SEED)
        options = {} if job.img_size is None else {"img_size": job.img_size}
        model = dfedge_models.create(architecture, **options).eval()
        model = model.to(job.device)
        inputs = torch.from_numpy(_inputs(job)).to(job.device)
        call: Callable[..., Any] = model
        if job.runtime == "torch-compile":
            call = torch.compile(model, dynamic=False)

        def run() -> object:
            with torch.inference_mode():
                return call(inputs).cpu()  # which waits for a GPU to be done

        ran_on = torch.cuda.get_device_name() if job.device == "cuda" else "CPU"
        return run, ran_on

    return load


def _inputs(job: Measure) -> Any:
    """Seeded standard normal numbers: what a normalised picture is like, and no zeros to skip."""
    return np.random.default_rng(SEED).standard_normal(job.shape, dtype=np.float32)
