"""A recipe that trains in seconds: the command's own, made tiny by --set."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfedge_tools.data.store import CropStore

TINY_SETTINGS = {
    "side": "32",
    "blend_side": "64",
    "mix.still_pairs": "1",
    "mix.clip_blend_pairs": "1",
    "mix.clip_pairs": "1",
    "loop.steps": "6",
    "loop.warmup_steps": "2",
    "loop.compile_model": "false",
}


@pytest.fixture
def tiny_command(tiny_store: CropStore) -> list[str]:
    """Arguments of ``dfedge`` that train ConvNeXt-Atto for six steps; ``--out`` is missing."""
    settings = [f"--set={key}={value}" for key, value in TINY_SETTINGS.items()]
    data = ["--data", str(tiny_store.folder), "--validate-every", "3", "--threads", "1", "--quiet"]
    return ["train", "convnext-atto", *settings, *data]


def weights(out: Path) -> bytes:
    """The file of a finished run."""
    return (out / "convnext-atto.pt").read_bytes()
