"""Make the tables of operators from what the runtimes say of themselves.

    python -m dfedge_tools.exporting.operator_sources onnxruntime > onnxruntime_cpu.json
    python -m dfedge_tools.exporting.operator_sources webgpu webgpu-operators.md --version 1.30.0
    python -m dfedge_tools.exporting.operator_sources tensorrt operators.md

The first asks the installed ONNX Runtime for its registered kernels: the WASM build and the
packages for Android and iOS of the same version are compiled from the same ones. The others read
the tables in ``docs`` of the npm package onnxruntime-web and of github.com/onnx/onnx-tensorrt.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from dfedge.bundles.opset import import_onnxruntime
from dfedge_tools.exporting.operators import ANY_VERSION, OperatorTable

NEWEST = 2**31 - 1
"""ONNX Runtime's word for: and later."""
HARDWARE_DOMAINS = frozenset({"com.microsoft.nchwc"})
"""Written by ONNX Runtime itself for one processor, never by an export."""

_TENSORRT_HEAD = re.compile(
    r"TensorRT ([\d.]+) supports operators in the inclusive range of opset (\d+) to opset (\d+)"
)
_ROW = re.compile(r"^\|\s*(\w+)\s*\|\s*([^|]*?)\s*\|", flags=re.MULTILINE)
_DOMAIN_VERSIONS = re.compile(r"([\w.]+)\(([\d+,-]+)\)")


def from_onnxruntime() -> OperatorTable:
    """All kernels of the CPU in the installed ONNX Runtime."""
    runtime = import_onnxruntime()
    kernels = runtime.capi.onnxruntime_pybind11_state.get_all_opkernel_def()
    ranges: dict[tuple[str, str], set[tuple[int, int]]] = defaultdict(set)
    for kernel in kernels:
        if kernel.provider == "CPUExecutionProvider" and kernel.domain not in HARDWARE_DOMAINS:
            ranges[kernel.domain, kernel.op_name].add(tuple(kernel.version_range))
    return OperatorTable(
        version=runtime.__version__,
        source=f"kernels registered for the CPU by the wheel onnxruntime {runtime.__version__}",
        operators=_by_domain((key, _range_text(values)) for key, values in ranges.items()),
    )


def from_webgpu_page(text: str, version: str) -> OperatorTable:
    """``docs/webgpu-operators.md`` of the npm package onnxruntime-web."""
    entries = [
        (("" if domain == "ai.onnx" else domain, name), versions)
        for name, cell in _ROW.findall(text)
        for domain, versions in _DOMAIN_VERSIONS.findall(cell)
        if domain != "com.ms.internal.nhwc"  # made by ONNX Runtime itself
    ]
    return OperatorTable(
        version=version,
        source=f"docs/webgpu-operators.md of the npm package onnxruntime-web {version}",
        operators=_by_domain(entries),
    )


def from_tensorrt_page(text: str) -> OperatorTable:
    """``docs/operators.md`` of onnx-tensorrt; operators with some support count as supported."""
    head = _TENSORRT_HEAD.search(text)
    if head is None:
        raise ValueError("the page does not say which TensorRT and opsets it is of")
    version, lowest, highest = head.groups()
    names = [name for name, cell in _ROW.findall(text) if cell.startswith("Y")]
    return OperatorTable(
        version=version,
        source=f"docs/operators.md of github.com/onnx/onnx-tensorrt for TensorRT {version}",
        opsets=(int(lowest), int(highest)),
        operators=_by_domain((("", name), ANY_VERSION) for name in names),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runtime", choices=("onnxruntime", "webgpu", "tensorrt"))
    parser.add_argument("page", nargs="?", type=Path, help="the Markdown page, where there is one")
    parser.add_argument("--version", default="unknown", help="of onnxruntime-web")
    options = parser.parse_args(arguments)
    if options.runtime == "onnxruntime":
        table = from_onnxruntime()
    elif options.page is None:
        parser.error("give the page")
    elif options.runtime == "webgpu":
        table = from_webgpu_page(options.page.read_text(encoding="utf-8"), options.version)
    else:
        table = from_tensorrt_page(options.page.read_text(encoding="utf-8"))
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(table), indent=1).decode() + "\n")
    return 0


def _by_domain(entries: Iterable[tuple[tuple[str, str], str]]) -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = {}
    for (domain, name), versions in sorted(entries):
        table.setdefault(domain, {})[name] = versions
    return table


def _range_text(ranges: set[tuple[int, int]]) -> str:
    texts = []
    for first, last in sorted(ranges):
        end = "" if last == first else f"-{last}"
        texts.append(f"{first}+" if last == NEWEST else f"{first}{end}")
    return ",".join(texts)


if __name__ == "__main__":
    sys.exit(main())
