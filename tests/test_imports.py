"""Which package may know of which, and what an import costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
ROOTS = {
    "dfedge": "sdk/dfedge",
    "dfedge_models": "edge_models/dfedge_models",
    "dfedge_tools": "tools/dfedge_tools",
    "dfedge_server": "server/dfedge_server",
}
ALLOWED = {
    "dfedge": set(),
    "dfedge_models": set(),
    "dfedge_tools": {"dfedge", "dfedge_models"},
    "dfedge_server": {"dfedge"},
}
SDK_FORBIDDEN = {
    "torch",
    "timm",
    "torchvision",
    "onnx",
    "litestar",
    "starlette",
    "fastapi",
    "flask",
}


def imported_packages(folder: Path) -> dict[str, set[str]]:
    """Top-level names imported anywhere in each module of ``folder``, nested imports too."""
    found: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("*.py")):
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names.add(node.module.split(".")[0])
        found[str(path.relative_to(REPOSITORY))] = names
    return found


@pytest.mark.parametrize("package", sorted(ROOTS))
def test_dependencies_point_one_way(package: str) -> None:
    """tools -> edge_models, sdk; server -> sdk; edge_models and sdk know nothing of the others."""
    others = set(ROOTS) - {package} - ALLOWED[package]
    modules = imported_packages(REPOSITORY / ROOTS[package])
    assert modules, f"no module found under {ROOTS[package]}"
    assert {path: names & others for path, names in modules.items() if names & others} == {}


def test_the_sdk_imports_no_training_or_web_framework_anywhere() -> None:
    """Not even inside a function: the SDK stays small."""
    modules = imported_packages(REPOSITORY / ROOTS["dfedge"])
    assert {
        path: names & SDK_FORBIDDEN for path, names in modules.items() if names & SDK_FORBIDDEN
    } == {}


def test_using_the_detector_class_loads_neither_torch_nor_a_web_framework() -> None:
    """What ``from dfedge import Detector`` pulls in, seen in a fresh interpreter."""
    code = "import sys; from dfedge import Detector; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert loaded & SDK_FORBIDDEN == set()
    assert "dfedge" in loaded


def test_importing_the_package_alone_loads_no_heavy_library() -> None:
    """``import dfedge`` is quick: numpy, OpenCV, PyAV and ONNX Runtime wait until used."""
    code = "import sys, dfedge; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert loaded & {"numpy", "cv2", "av", "onnxruntime", "PIL", "jinja2"} == set()


def test_every_public_name_can_be_imported() -> None:
    """``dfedge.__all__`` holds nothing that fails."""
    import dfedge

    assert [name for name in dfedge.__all__ if getattr(dfedge, name, None) is None] == []
