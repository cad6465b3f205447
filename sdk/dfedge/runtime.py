"""ONNX Runtime sessions: which device runs a model, checked against what really loaded.

ONNX Runtime falls back to the CPU in silence when a provider fails to load. Here a device that was
asked for by name either runs the model or is an error; only ``auto`` falls back, and
:attr:`OnnxModel.provider` says to what.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import platform
import sys
import threading
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy.typing as npt

from dfedge.bundles.bundle import Bundle, Role
from dfedge.bundles.opset import import_onnxruntime
from dfedge.errors import BundleFormatError, RuntimeUnavailableError, UsageError
from dfedge.signatures import Slot, check_signature

Device: TypeAlias = Literal["auto", "cpu", "cuda", "tensorrt", "openvino", "coreml"]

CPU_PROVIDER = "CPUExecutionProvider"
PROVIDERS: Mapping[str, str] = {
    "cpu": CPU_PROVIDER,
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
"""ONNX Runtime's name of each device."""

AUTO_ORDER = ("cuda", "openvino", "coreml", "cpu")
"""Best first. TensorRT is not tried: it compiles for minutes before the first picture."""

MAX_DEFAULT_THREADS = 4
"""A face crop has too little work for more; asking for more is allowed."""

_INSTALL = {
    "cuda": "pip uninstall onnxruntime, then pip install 'onnxruntime-gpu[cuda,cudnn]'",
    "tensorrt": "pip uninstall onnxruntime, then pip install onnxruntime-gpu[cuda,cudnn] tensorrt",
    "openvino": "pip uninstall onnxruntime, then pip install onnxruntime-openvino",
    "coreml": "use the onnxruntime wheel for macOS, which brings it",
    "cpu": "pip install --force-reinstall onnxruntime",
}
_WARNING, _FATAL = 2, 4
"""Severities of ONNX Runtime's log, its default and ours: what fails is raised, or seen by
``get_providers``, so nothing need be printed beside it."""

_HELPERS = {PROVIDERS["tensorrt"]: (PROVIDERS["cuda"],)}
"""Providers that take the operators the first one lacks, before the CPU does."""

_CONCURRENT = frozenset({CPU_PROVIDER, PROVIDERS["cuda"]})
"""Providers that document concurrent runs of one session; the others take turns."""


class Session(Protocol):
    """What is used of an ``onnxruntime.InferenceSession``."""

    def get_providers(self) -> list[str]:
        """Execution providers that loaded, the first in charge."""

    def get_inputs(self) -> Sequence[Slot]:
        """Inputs of the graph."""

    def get_outputs(self) -> Sequence[Slot]:
        """Outputs of the graph."""

    def run(
        self, output_names: Sequence[str], input_feed: dict[str, npt.NDArray[Any]]
    ) -> list[npt.NDArray[Any]]:
        """Run the graph once."""


class OnnxModel:
    """One model in memory. Safe to run from several threads.

    Attributes:
        provider: the execution provider that really loaded, e.g. ``CPUExecutionProvider``.
        threads: threads one run may use on the CPU.
    """

    def __init__(self, session: Session, *, label: str, threads: int) -> None:
        self.provider: str = session.get_providers()[0]
        self.threads = threads
        self._label = label
        self._session: Session | None = session
        self._output_names = [output.name for output in session.get_outputs()]
        self._turn = None if self.provider in _CONCURRENT else threading.Lock()

    def __repr__(self) -> str:
        return f"OnnxModel({self._label!r}, provider={self.provider!r}, threads={self.threads})"

    def run(self, feeds: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Run the model once.

        Args:
            feeds: an array for each input, by name, of the shape the card gives.

        Returns:
            The array of each output, by name.

        Raises:
            RuntimeUnavailableError: the model is closed, or the run failed.
        """
        session = self._session  # kept while running, though another thread may close the model
        if session is None:
            raise RuntimeUnavailableError(f"{self._label}: is closed; open the model again")
        try:
            if self._turn is None:
                outputs = session.run(self._output_names, dict(feeds))
            else:
                with self._turn:
                    outputs = session.run(self._output_names, dict(feeds))
        except Exception as error:  # onnxruntime's exceptions have no common base but this one
            shapes = ", ".join(f"{name} {a.dtype} {a.shape}" for name, a in feeds.items())
            raise RuntimeUnavailableError(
                f"{self._label}: {self.provider} could not run it on {shapes}: "
                f"{_first_line(error)}; try device 'cpu', or fewer faces at a time"
            ) from error
        return dict(zip(self._output_names, outputs, strict=True))

    def close(self) -> None:
        """Let go of the session and its memory; closing twice is no error."""
        self._session = None


def open_model(
    bundle: Bundle, *, role: Role = "model", device: Device = "auto", threads: int | None = None
) -> OnnxModel:
    """Open the verified bytes of a bundle's file as a model.

    Args:
        role: which file of the bundle; its inputs and outputs are checked against the card.
        device: where to run. By name, it runs there or raises; ``auto`` takes the best that loads.
        threads: threads of one run on the CPU, at least 1; None for one a physical core, at most
            :data:`MAX_DEFAULT_THREADS`.

    Raises:
        UsageError: no such device, or ``threads`` under 1.
        RuntimeUnavailableError: the device did not load.
        BundleError: no such file, it does not match the card, or is no model ONNX Runtime can read.
    """
    if device != "auto" and device not in PROVIDERS:
        raise UsageError(f"device {device!r}: is none of auto, {', '.join(PROVIDERS)}")
    if threads is not None and threads < 1:
        raise UsageError(f"threads {threads}: must be at least 1")
    count = default_threads() if threads is None else threads
    model, path = bundle.read(role), bundle.file_path(role)
    session = _open_on(device, model, path, count)
    check_signature(bundle, role, session.get_inputs(), session.get_outputs())
    return OnnxModel(session, label=str(path), threads=count)


def available_devices() -> tuple[Device, ...]:
    """Devices the installed ONNX Runtime was built for; each may still fail to load."""
    present = _available_providers()
    names: tuple[Device, ...] = ("cpu", "cuda", "tensorrt", "openvino", "coreml")
    return tuple(name for name in names if PROVIDERS[name] in present)


def default_threads() -> int:
    """One for each physical core this process may use, at most :data:`MAX_DEFAULT_THREADS`."""
    return max(1, min(MAX_DEFAULT_THREADS, _physical_cores()))


def _open_on(device: Device, model: bytes, path: Path, threads: int) -> Session:
    """A session whose first provider is that of the device."""
    present = _available_providers()
    if device != "auto" and PROVIDERS[device] not in present:
        raise _unavailable(device, path, "is not in the installed onnxruntime")
    candidates = AUTO_ORDER if device == "auto" else (device,)
    cause = ""
    for candidate in candidates:
        if PROVIDERS[candidate] not in present:
            continue
        if candidate in ("cuda", "tensorrt"):
            cause = _load_cuda_libraries()
        try:
            session = _open_session(model, path, PROVIDERS[candidate], threads)
        except BundleFormatError:
            if candidate == "cpu":
                raise
            # The model may be bad, or the provider: the CPU tells which.
            _open_session(model, path, CPU_PROVIDER, threads)
            session = None
        if session is not None and session.get_providers()[0] == PROVIDERS[candidate]:
            return session
    raise _unavailable(device, path, f"did not load{cause}")


def _open_session(model: bytes, path: Path, provider: str, threads: int) -> Session:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait must not burn the cores the decoder, and others, need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = list(dict.fromkeys([provider, *_HELPERS.get(provider, ()), CPU_PROVIDER]))
    own = {"num_of_threads": str(threads)} if provider == PROVIDERS["openvino"] else {}
    provider_options: list[dict[str, str]] = [own, *({} for _ in providers[1:])]
    try:
        onnxruntime.set_default_logger_severity(_FATAL)
        session: Session = onnxruntime.InferenceSession(
            model,
            options,
            providers=providers,
            provider_options=provider_options,
            enable_fallback=0,
        )
    except Exception as error:  # onnxruntime's exceptions have no common base but this one
        raise BundleFormatError(
            f"{path}: ONNX Runtime {onnxruntime.__version__} cannot open it: "
            f"{_first_line(error)}; get the bundle again, or pip install -U onnxruntime"
        ) from error
    finally:
        onnxruntime.set_default_logger_severity(_WARNING)
    return session


@functools.cache
def _load_cuda_libraries() -> str:
    """Load CUDA and cuDNN from their wheels, where ONNX Runtime does not look by itself.

    Returns:
        Why they did not load, to be put behind "did not load"; empty when they did.
    """
    preload = getattr(import_onnxruntime(), "preload_dlls", None)  # since onnxruntime 1.21
    if preload is None:
        return ""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        preload()
    lines = said.getvalue().strip().splitlines()
    return f" ({lines[0]})" if lines else ""


def _available_providers() -> Sequence[str]:
    names: Sequence[str] = import_onnxruntime().get_available_providers()
    return names


def _unavailable(device: str, path: Path, problem: str) -> RuntimeUnavailableError:
    advice = _INSTALL.get(device, _INSTALL["cpu"])
    return RuntimeUnavailableError(
        f"device {device!r}: {PROVIDERS.get(device, device)} {problem}, so {path.name} cannot run "
        f"there; here are {', '.join(available_devices())}; {advice}, or use device 'auto'"
    )


def _first_line(error: Exception) -> str:
    """ONNX Runtime's message without the C++ source place, one line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]


@functools.cache
def _physical_cores() -> int:
    """Cores this process may run on, two hardware threads of a core counted once."""
    if not hasattr(os, "sched_getaffinity"):  # macOS (no hyper-threading on Apple's), Windows
        logical = os.cpu_count() or 1
        shared = sys.platform == "win32" or platform.machine() == "x86_64"
        return max(1, logical // 2) if shared else logical
    allowed = os.sched_getaffinity(0)
    return len({_core_of(number) for number in allowed})


def _core_of(logical: int) -> str:
    """What names the physical core of a logical one; its own number where Linux does not say."""
    siblings = Path(f"/sys/devices/system/cpu/cpu{logical}/topology/thread_siblings_list")
    try:
        return siblings.read_text(encoding="ascii").strip()
    except OSError:
        return str(logical)
