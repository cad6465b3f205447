"""The option ``--plot``: a picture of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dfedge.cli.outputs import OutputFile
from dfedge.errors import UsageError

FORMATS = (".png", ".svg")


def prepare_plot(name: str, inputs: Sequence[str]) -> OutputFile:
    """Prove, before the long work, that the picture can be written.

    Raises:
        UsageError: the name ends otherwise than in .png or .svg, or the file cannot be written.
    """
    if Path(name).suffix.lower() not in FORMATS:
        raise UsageError(f"--plot {name}: give a name that ends in {' or '.join(FORMATS)}")
    return OutputFile.prepare("--plot", name, inputs)


def plot_format(plot: OutputFile) -> str:
    """``png`` or ``svg``."""
    return plot.path.suffix.lower().removeprefix(".")
