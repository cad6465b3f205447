"""Models run where they were asked to, and say so when they cannot."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dfedge import runtime
from dfedge.bundles import opset
from dfedge.bundles.bundle import load_bundle
from dfedge.errors import (
    BundleFormatError,
    DfedgeError,
    RuntimeUnavailableError,
    UsageError,
)
from dfedge.runtime import MAX_DEFAULT_THREADS, PROVIDERS, available_devices, open_model
from dfedge.selfcheck import check_runs

DETECTOR_INPUT = {"input": ("float32", ["batch", 3, 16, 16])}
DETECTOR_OUTPUT = {"logit": ("float32", ["batch", 1])}


class FakeSession:
    """An ONNX Runtime session that loads only some of the providers it is asked for."""

    loads: frozenset[str] = frozenset()
    raises: frozenset[str] = frozenset()
    opened: list[list[str]] = []

    def __init__(self, model: bytes, options: Any, *, providers: list[str], **_: Any) -> None:
        type(self).opened.append(providers)
        if providers[0] in self.raises:
            raise RuntimeError(f"{providers[0]} is broken\nsecond line")
        self._providers = [name for name in providers if name in self.loads]

    def get_providers(self) -> list[str]:
        """Those that loaded."""
        return self._providers

    def get_inputs(self) -> list[SimpleNamespace]:
        """Of the tiny detector."""
        return [SimpleNamespace(name="input", type="tensor(float)", shape=["batch", 3, 16, 16])]

    def get_outputs(self) -> list[SimpleNamespace]:
        """Of the tiny detector."""
        return [SimpleNamespace(name="logit", type="tensor(float)", shape=["batch", 1])]

    def run(self, names: list[str], feeds: dict[str, Any]) -> list[Any]:
        """A logit of 0 for each row."""
        return [np.zeros((len(feeds["input"]), 1), np.float32)]


@pytest.fixture
def fake_runtime(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[str]]]:
    """Puts a made-up ONNX Runtime in the real one's place; gives what it was asked to open."""

    def install(
        *, built_for: tuple[str, ...], loads: tuple[str, ...], raises: tuple[str, ...] = ()
    ) -> list[list[str]]:
        session = type(
            "Session",
            (FakeSession,),
            {
                "loads": frozenset(PROVIDERS[name] for name in loads),
                "raises": frozenset(PROVIDERS[name] for name in raises),
                "opened": [],
            },
        )
        module = SimpleNamespace(
            __version__="1.99",
            InferenceSession=session,
            SessionOptions=lambda: SimpleNamespace(add_session_config_entry=lambda *_: None),
            get_available_providers=lambda: [PROVIDERS[name] for name in built_for],
            set_default_logger_severity=lambda severity: None,
            preload_dlls=lambda: sys.stdout.write("libcublas.so: not there\n"),
        )
        monkeypatch.setattr(runtime, "import_onnxruntime", lambda: module)
        uncached = inspect.unwrap(runtime._load_cuda_libraries)
        monkeypatch.setattr(runtime, "_load_cuda_libraries", uncached)
        opened: list[list[str]] = session.opened  # type: ignore[attr-defined]
        return opened

    return install


def with_model(maker: Any, model: bytes, **fields: Any) -> Any:
    """A bundle, right in sizes and hashes, around a model file."""
    files = {"model.onnx": model, "preprocess.onnx": maker.preprocess()}
    return load_bundle(maker.write(maker.detector(), maker.detector_card(**fields), files))


def test_a_model_runs_on_the_cpu(bundle_maker: Any) -> None:
    """The tiny detector's logit is the mean of its input, for any batch."""
    model = open_model(load_bundle(bundle_maker.detector()), device="cpu")
    assert model.provider == "CPUExecutionProvider"
    for batch in (1, 2, 7):
        x = np.random.default_rng(batch).standard_normal((batch, 3, 16, 16), np.float32)
        outputs = model.run({"input": x})
        assert list(outputs) == ["logit"]
        assert outputs["logit"].shape == (batch, 1)
        assert np.allclose(x.mean((1, 2, 3)), outputs["logit"][:, 0], atol=1e-6)


def test_auto_says_what_loaded(bundle_maker: Any) -> None:
    """Whatever auto chose is a provider this ONNX Runtime has."""
    model = open_model(load_bundle(bundle_maker.detector()))
    assert model.provider in {PROVIDERS[name] for name in available_devices()}


@pytest.mark.parametrize("device", ["cuda", "tensorrt", "openvino", "coreml"])
def test_a_device_this_runtime_lacks_is_an_error(bundle_maker: Any, device: Any) -> None:
    """It names the device, what there is, and what to install; it never runs on the CPU instead."""
    if device in available_devices():
        pytest.skip(f"this ONNX Runtime was built for {device}")
    with pytest.raises(RuntimeUnavailableError) as caught:
        open_model(load_bundle(bundle_maker.detector()), device=device)
    message = str(caught.value)
    assert message.startswith(f"device {device!r}: {PROVIDERS[device]}")
    assert "here are cpu" in message
    assert "onnxruntime" in message
    assert "use device 'auto'" in message


@pytest.mark.parametrize("device", ["cuda", "tensorrt", "openvino", "coreml"])
def test_a_silent_fall_back_is_an_error(bundle_maker: Any, fake_runtime: Any, device: Any) -> None:
    """Built for the device, but only the CPU loaded: asked for by name, that is an error."""
    fake_runtime(built_for=(device, "cpu"), loads=("cpu",))
    with pytest.raises(RuntimeUnavailableError, match=rf"device '{device}': .* did not load"):
        open_model(load_bundle(bundle_maker.detector()), device=device)


@pytest.mark.parametrize("device", ["cuda", "tensorrt", "openvino", "coreml"])
def test_a_device_that_loads_is_used(bundle_maker: Any, fake_runtime: Any, device: Any) -> None:
    """The provider asked for is in charge, with the CPU behind it."""
    opened = fake_runtime(built_for=(device, "cpu"), loads=(device, "cpu"))
    model = open_model(load_bundle(bundle_maker.detector()), device=device)
    assert PROVIDERS[device] == model.provider
    assert opened[0][0] == PROVIDERS[device]
    assert opened[0][-1] == "CPUExecutionProvider"
    assert model.run({"input": np.zeros((2, 3, 16, 16), np.float32)})["logit"].shape == (2, 1)


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        (("cuda", "openvino", "cpu"), "cuda"),
        (("openvino", "cpu"), "openvino"),
        (("cpu",), "cpu"),
        (("tensorrt", "cpu"), "cpu"),
    ],
)
def test_auto_takes_the_best_that_loads(
    bundle_maker: Any, fake_runtime: Any, loads: tuple[str, ...], expected: str
) -> None:
    """In order, without an error, and without waiting for TensorRT to compile."""
    fake_runtime(built_for=("tensorrt", "cuda", "openvino", "cpu"), loads=loads)
    model = open_model(load_bundle(bundle_maker.detector()))
    assert PROVIDERS[expected] == model.provider


def test_a_provider_that_breaks_is_told_from_a_bad_model(
    bundle_maker: Any, fake_runtime: Any
) -> None:
    """auto goes on to the next; by name it is the device's error; a bad model is the bundle's."""
    bundle = load_bundle(bundle_maker.detector())
    fake_runtime(built_for=("cuda", "cpu"), loads=("cpu",), raises=("cuda",))
    assert open_model(bundle).provider == "CPUExecutionProvider"
    with pytest.raises(RuntimeUnavailableError, match="device 'cuda'"):
        open_model(bundle, device="cuda")
    fake_runtime(built_for=("cuda", "cpu"), loads=(), raises=("cuda", "cpu"))
    with pytest.raises(BundleFormatError, match=r"model\.onnx: ONNX Runtime 1\.99 cannot open"):
        open_model(bundle, device="cuda")


def test_what_cuda_lacks_is_told(
    bundle_maker: Any, fake_runtime: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The library that did not load is part of the error, and nothing is printed."""
    fake_runtime(built_for=("cuda", "cpu"), loads=("cpu",))
    bundle = load_bundle(bundle_maker.detector())
    with pytest.raises(RuntimeUnavailableError, match=r"did not load \(libcublas\.so: not there\)"):
        open_model(bundle, device="cuda")
    assert open_model(bundle).provider == "CPUExecutionProvider"
    assert capsys.readouterr() == ("", "")


def test_a_device_nobody_knows_is_a_usage_error(bundle_maker: Any) -> None:
    """It lists the devices there are."""
    bundle = load_bundle(bundle_maker.detector())
    with pytest.raises(UsageError, match=r"device 'tpu': is none of auto, cpu, cuda"):
        open_model(bundle, device="tpu")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"threads 0: must be at least 1"):
        open_model(bundle, threads=0)


def test_threads_are_few_by_default(bundle_maker: Any) -> None:
    """At most four, at least one, and never more than the cores this process may use."""
    bundle = load_bundle(bundle_maker.detector())
    chosen = open_model(bundle, device="cpu").threads
    assert 1 <= chosen <= MAX_DEFAULT_THREADS
    assert chosen <= (os.cpu_count() or 1)
    assert open_model(bundle, device="cpu", threads=3).threads == 3


def test_many_threads_may_run_one_model(bundle_maker: Any) -> None:
    """Sixteen at once each get their own answer."""
    model = open_model(load_bundle(bundle_maker.detector()), device="cpu", threads=1)
    inputs = [np.full((1, 3, 16, 16), value, np.float32) for value in range(200)]
    with ThreadPoolExecutor(16) as pool:
        logits = list(pool.map(lambda x: float(model.run({"input": x})["logit"][0, 0]), inputs))
    assert logits == pytest.approx(list(range(200)), rel=1e-5)


def test_runs_take_turns_where_a_provider_needs_it(
    bundle_maker: Any, fake_runtime: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a provider not known to run concurrently, no two runs overlap."""
    fake_runtime(built_for=("coreml", "cpu"), loads=("coreml", "cpu"))
    model = open_model(load_bundle(bundle_maker.detector()), device="coreml")
    inside, most = 0, 0

    def run(self: Any, names: list[str], feeds: dict[str, Any]) -> list[Any]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        threading.Event().wait(0.002)
        inside -= 1
        return [np.zeros((1, 1), np.float32)]

    monkeypatch.setattr(FakeSession, "run", run)
    x = np.zeros((1, 3, 16, 16), np.float32)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: model.run({"input": x}), range(24)))
    assert most == 1


def test_a_closed_model_says_so(bundle_maker: Any) -> None:
    """Closing twice is no error, running after it is."""
    model = open_model(load_bundle(bundle_maker.detector()), device="cpu")
    model.close()
    model.close()
    with pytest.raises(RuntimeUnavailableError, match=r"model\.onnx: is closed"):
        model.run({"input": np.zeros((1, 3, 16, 16), np.float32)})


@pytest.mark.parametrize(
    "feeds",
    [
        {"input": np.zeros((1, 3, 8, 8), np.float32)},
        {"input": np.zeros((1, 3, 16, 16), np.float64)},
        {"other": np.zeros((1, 3, 16, 16), np.float32)},
        {},
    ],
    ids=["size", "type", "name", "nothing"],
)
def test_a_failed_run_is_a_typed_error(bundle_maker: Any, feeds: dict[str, Any]) -> None:
    """It names the model and the shapes it was given, on one line."""
    model = open_model(load_bundle(bundle_maker.detector()), device="cpu")
    with pytest.raises(
        RuntimeUnavailableError, match=r"model\.onnx: CPUExecutionProvider"
    ) as error:
        model.run(feeds)
    assert "\n" not in str(error.value)


def test_the_model_comes_from_the_verified_bytes(bundle_maker: Any) -> None:
    """A file exchanged after loading is never what runs."""
    folder = bundle_maker.detector()
    bundle = load_bundle(folder)
    (folder / "model.onnx").write_bytes(b"exchanged")
    model = open_model(bundle, device="cpu")
    assert model.run({"input": np.ones((1, 3, 16, 16), np.float32)})["logit"] == pytest.approx(1.0)


def test_bytes_onnx_runtime_cannot_read_are_the_bundles_fault(bundle_maker: Any) -> None:
    """A graph that does not hold together is a BundleFormatError on one line."""
    broken = bundle_maker.model(
        [("NoSuchOperator", ["input"], ["logit"], {})],
        inputs=DETECTOR_INPUT,
        outputs=DETECTOR_OUTPUT,
    )
    with pytest.raises(
        BundleFormatError, match=r"model\.onnx: ONNX Runtime .* cannot open"
    ) as error:
        open_model(with_model(bundle_maker, broken), device="cpu")
    assert "\n" not in str(error.value)


def mean_of(maker: Any, *, inputs: dict[str, Any], outputs: dict[str, Any]) -> bytes:
    """A model that fits any of the signatures tried below."""
    name, output = next(iter(inputs)), next(iter(outputs))
    cast = {"to": 1}
    nodes = [
        ("Cast", [name], ["float"], cast),
        ("ReduceMean", ["float", "axes"], ["mean"], {"keepdims": 0}),
        ("Unsqueeze", ["mean", "one"], [output], {}),
    ]
    arrays = {"axes": np.array([1, 2, 3], np.int64), "one": np.array([1], np.int64)}
    content: bytes = maker.model(nodes, inputs=inputs, outputs=outputs, initializers=arrays)
    return content


@pytest.mark.parametrize(
    ("inputs", "outputs", "problem"),
    [
        ({"x": ("float32", ["n", 3, 16, 16])}, DETECTOR_OUTPUT, "no input 'input'"),
        ({"input": ("float32", ["n", 3, 32, 32])}, DETECTOR_OUTPUT, r"\(\?, 3, 32, 32\)"),
        ({"input": ("float32", ["n", 3, "h", "w"])}, DETECTOR_OUTPUT, r"\(\?, 3, \?, \?\)"),
        ({"input": ("float32", [1, 3, 16, 16])}, DETECTOR_OUTPUT, r"\(1, 3, 16, 16\)"),
        ({"input": ("uint8", ["n", 3, 16, 16])}, DETECTOR_OUTPUT, r"tensor\(uint8\)"),
        ({"input": ("float16", ["n", 3, 16, 16])}, DETECTOR_OUTPUT, r"tensor\(float16\)"),
        (DETECTOR_INPUT, {"y": ("float32", ["n", 1])}, "no output 'logit'"),
        (
            {**DETECTOR_INPUT, "more": ("float32", ["n"])},
            DETECTOR_OUTPUT,
            r"has 2 inputs \('input', 'more'\)",
        ),
    ],
)
def test_a_model_must_be_what_its_card_says(
    bundle_maker: Any, inputs: dict[str, Any], outputs: dict[str, Any], problem: str
) -> None:
    """Names, types and shapes are compared, and the message says which differs."""
    bundle = with_model(bundle_maker, mean_of(bundle_maker, inputs=inputs, outputs=outputs))
    with pytest.raises(BundleFormatError, match=rf"model\.onnx: .*{problem}"):
        open_model(bundle, device="cpu")


def test_the_number_of_classes_must_fit(bundle_maker: Any) -> None:
    """Two logits for one class of the card are refused."""
    two = bundle_maker.detector_model(classes=2)
    with pytest.raises(BundleFormatError, match=r"output 'logit' .*\(\?, 2\), .*\(\?, 1\)"):
        open_model(with_model(bundle_maker, two), device="cpu")
    output = {"name": "logit", "classes": ["a", "b"], "fake_index": 1, "activation": "softmax"}
    open_model(with_model(bundle_maker, two, output=output), device="cpu")


def test_a_preprocess_graph_must_be_what_the_card_says(bundle_maker: Any) -> None:
    """One of another size is refused."""
    files = {
        "model.onnx": bundle_maker.detector_model(),
        "preprocess.onnx": bundle_maker.preprocess(side=32),
    }
    folder = bundle_maker.write(bundle_maker.detector(), bundle_maker.detector_card(), files)
    with pytest.raises(BundleFormatError, match=r"preprocess\.onnx: its output 'input'"):
        open_model(load_bundle(folder), role="preprocess", device="cpu")


def test_a_face_detector_must_have_the_anchors_of_its_card(bundle_maker: Any) -> None:
    """The number of anchors follows from the layers."""
    open_model(load_bundle(bundle_maker.face_detector()), device="cpu")
    fewer = bundle_maker.face_detector(anchors=[{"stride": 16, "anchors_per_cell": 1}])
    with pytest.raises(BundleFormatError, match=r"'boxes' .*\(\?, 32, 16\), .*\(\?, 16, 16\)"):
        open_model(load_bundle(fewer), device="cpu")


def test_the_self_check_passes_good_bundles(bundle_maker: Any) -> None:
    """Both kinds run once."""
    check_runs(load_bundle(bundle_maker.detector()))
    check_runs(load_bundle(bundle_maker.face_detector()))


@pytest.mark.parametrize(
    "change",
    [{"mean": [0.5, 0.5, 0.5]}, {"std": [1.0, 1.0, 1.0]}, {"colour_order": "BGR"}],
    ids=lambda change: next(iter(change)),
)
def test_the_self_check_compares_preprocessing_with_the_card(
    bundle_maker: Any, change: dict[str, Any]
) -> None:
    """A card whose normalisation is not that of its graph is found out."""
    card_input = {**bundle_maker.detector_card()["input"], **change}
    bundle = load_bundle(bundle_maker.detector(input=card_input))
    with pytest.raises(BundleFormatError, match=r"preprocess\.onnx: .*mean, std and colour order"):
        check_runs(bundle)


def test_the_self_check_finds_numbers_that_are_none(bundle_maker: Any) -> None:
    """A model that gives NaN is refused."""
    model = bundle_maker.model(
        [
            ("GlobalAveragePool", ["input"], ["pooled"], {}),
            ("Flatten", ["pooled"], ["flat"], {"axis": 1}),
            ("Gemm", ["flat", "weight"], ["logit"], {}),
        ],
        inputs=DETECTOR_INPUT,
        outputs=DETECTOR_OUTPUT,
        initializers={"weight": np.full((3, 1), np.nan, np.float32)},
    )
    with pytest.raises(BundleFormatError, match=r"0 of 2 numbers finite"):
        check_runs(with_model(bundle_maker, model))


def test_the_newest_opset_is_where_opening_ends() -> None:
    """The runtime opens a model of that opset and none of the next."""
    newest = opset.newest_runtime_opset()
    assert newest >= opset.OLDEST_RUNTIME_OPSET
    assert opset._opens(newest)
    assert not opset._opens(newest + 1)


def test_a_missing_runtime_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where onnxruntime does not import, the error says what to install."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(RuntimeUnavailableError, match="pip install --force-reinstall onnxruntime"):
        available_devices()


def test_a_user_sees_no_runtime_warnings(bundle_maker: Any) -> None:
    """Opening a model of an old opset prints nothing, though ONNX Runtime would warn."""
    files = {
        "model.onnx": bundle_maker.model(
            [
                ("GlobalAveragePool", ["input"], ["pooled"], {}),
                ("Flatten", ["pooled"], ["flat"], {"axis": 1}),
                ("MatMul", ["flat", "weight"], ["logit"], {}),
            ],
            inputs=DETECTOR_INPUT,
            outputs=DETECTOR_OUTPUT,
            initializers={"weight": np.ones((3, 1), np.float32)},
            opset=6,
        ),
        "preprocess.onnx": bundle_maker.preprocess(),
    }
    card = bundle_maker.detector_card(opset=6)
    folder: Path = bundle_maker.write(bundle_maker.detector(), card, files)
    script = (
        "import sys; from dfedge.bundles.bundle import load_bundle; "
        "from dfedge.runtime import open_model; open_model(load_bundle(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_the_runtime_module_is_light() -> None:
    """ONNX Runtime is imported when the first model opens, not before."""
    script = (
        "import sys, dfedge.runtime, dfedge.crops, dfedge.bundles.store; "
        "print([m for m in ('onnxruntime', 'cv2', 'torch', 'onnx') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "[]\n"


def test_every_error_is_of_the_tree(bundle_maker: Any) -> None:
    """Errors of this module can be caught as one."""
    with pytest.raises(DfedgeError):
        open_model(load_bundle(bundle_maker.detector()), role="source")
