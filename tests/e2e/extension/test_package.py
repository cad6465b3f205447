"""The packages for the stores: what is in them, their size, and what they are built from."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from PIL import Image

from .conftest import EXTENSION

ROOT = EXTENSION.parent
MOST_BYTES = 9_000_000
ICON_SIZES = (16, 32, 48, 96, 128)
BROWSERS = ("chrome", "firefox")


@pytest.fixture(scope="module")
def packages(node: str) -> dict[str, Path]:
    """Both packages and the sources, as ``npm run zip`` makes them now."""
    for browser in BROWSERS:
        _wxt(node, EXTENSION, "zip", browser)
    version = json.loads((EXTENSION / "package.json").read_text())["version"]
    begin = EXTENSION / ".output" / f"dfedge-extension-{version}"
    return {name: Path(f"{begin}-{name}.zip") for name in (*BROWSERS, "sources")}


@pytest.mark.parametrize("browser", BROWSERS)
def test_size(packages: dict[str, Path], browser: str) -> None:
    """A package is 9 MB at most, models and all."""
    assert packages[browser].stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("browser", BROWSERS)
def test_no_code_comes_from_elsewhere(packages: dict[str, Path], browser: str) -> None:
    """The browser itself refuses it, in all pages and workers, and pages' scripts load none."""
    with ZipFile(packages[browser]) as package:
        policy = json.loads(package.read("manifest.json"))["content_security_policy"]
        content = package.read("content-scripts/content.js").decode()
    assert {"extension_pages": "script-src 'self' 'wasm-unsafe-eval'; object-src 'self'"} == policy
    assert [] == re.findall(
        r"\beval\(|new Function|\bimport\(|createElement\([`'\"]script", content
    )


@pytest.mark.parametrize("browser", BROWSERS)
def test_icons(packages: dict[str, Path], browser: str) -> None:
    """In all sizes that stores and toolbars ask for."""
    with ZipFile(packages[browser]) as package:
        icons = json.loads(package.read("manifest.json"))["icons"]
        sizes = {int(size): _size(package, name) for size, name in icons.items()}
    assert {size: (size, size) for size in ICON_SIZES} == sizes


def test_the_sources_build_the_package(
    node: str, packages: dict[str, Path], tmp_path: Path
) -> None:
    """Mozilla's reviewers get, from the sources alone, the bytes of the package."""
    with ZipFile(packages["sources"]) as sources:
        sources.extractall(tmp_path)
    folder = tmp_path / "extension"
    (folder / "node_modules").symlink_to(EXTENSION / "node_modules")
    _wxt(node, folder, "build", "firefox")
    built = folder / ".output" / "firefox-mv3"
    with ZipFile(packages["firefox"]) as package:
        expected = {
            entry.filename: package.read(entry)
            for entry in package.infolist()
            if not entry.is_dir()
        }
    assert expected == {str(path.relative_to(built)): path.read_bytes() for path in _files(built)}


def test_every_promise_names_its_tests() -> None:
    """docs/privacy.md says what the extension's own page says, and names tests that exist."""
    words = json.loads((EXTENSION / "public/_locales/en/messages.json").read_text())
    shown = re.findall(
        r'<li data-word="(\w+)"', (EXTENSION / "src/entrypoints/privacy/index.html").read_text()
    )
    rows = [
        line.strip("| ").split(" | ")
        for line in (ROOT / "docs/privacy.md").read_text().splitlines()
        if line.startswith("| ")
    ][1:]
    assert [words[key]["message"] for key in shown] == [promise for promise, _ in rows]
    named = {name for _, tests in rows for name in re.findall(r"`(.+?)`", tests)}
    there = {
        f"{path.name}::{part.name}"
        for path in Path(__file__).parent.glob("test_*.py")
        for part in ast.parse(path.read_text()).body
        if isinstance(part, ast.FunctionDef)
    }
    assert named
    assert set() == named - there


def _wxt(node: str, folder: Path, command: str, browser: str) -> None:
    done = subprocess.run(
        [node, "node_modules/wxt/bin/wxt.mjs", command, "-b", browser],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout + done.stderr


def _size(package: ZipFile, name: str) -> tuple[int, int]:
    with package.open(name) as file:
        return Image.open(file).size


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
