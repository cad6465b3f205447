"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The research data beside the repository; never shipped, so its tests skip without it."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs the research data in ../shared/data, which is not here")
    return folder


@pytest.fixture(scope="session")
def oracles() -> Path:
    """Reference outputs of the public models, beside the repository like the research data."""
    folder = REPOSITORY.parent / "shared" / "oracles"
    if not folder.is_dir():
        pytest.skip("needs the reference outputs in ../shared/oracles, which are not here")
    return folder
