"""A report in words and columns, at most 100 of them, for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from dfedge_tools.benching.results import ModelResult, Report, Row

WIDTH = 100

_HEAD = (
    "RUNTIME",
    "THR",
    "BATCH",
    "MEDIAN",
    "P95",
    "MIN",
    "CPU",
    "PER S",
    "RATIO",
    "PEAK",
    "LOAD S",
)
_MEMORY = ("MODEL MB", "MOST MB")
_JOULES = "JOULES"


def render(report: Report) -> str:
    """The report, ending in a newline."""
    blocks = ["\n".join(_machine_lines(report))]
    blocks += ["\n".join(_model_lines(model, report)) for model in report.models]
    blocks.append("\n".join(_note_lines(report)))
    return "\n\n".join(blocks) + "\n"


def _machine_lines(report: Report) -> Iterator[str]:
    machine = report.machine
    memory = "" if machine.memory_bytes is None else f", {machine.memory_bytes / 1e9:.0f} GB"
    where = f"{machine.board}, " if machine.board else ""
    cores = f"{machine.cores} core{'s' * (machine.cores != 1)}"
    yield f"{where}{machine.cpu}, {cores}{memory}, {machine.system}"
    versions = (f"{name} {number}" for name, number in machine.versions.items())
    yield from textwrap.wrap(f"Python {machine.python}, {', '.join(versions)}", WIDTH)
    if report.peaks:
        peaks = (
            f"{peak.gflop_per_second:.0f} GFLOP/s on {peak.threads} "
            f"thread{'s' * (peak.threads != 1)}"
            for peak in report.peaks
        )
        yield f"peak, by a product of matrices: {', '.join(peaks)}"
    energy = report.energy
    if energy.idle_watts is not None:
        yield f"energy from {energy.source}; idle {energy.idle_watts:.1f} W, taken off"
    else:
        yield from textwrap.wrap(f"energy: {energy.problem or 'not asked yet'}", WIDTH)
    if machine.is_busy:
        yield (
            f"others were using the machine (load {machine.load:.1f}): trust the ratios, "
            "not the milliseconds"
        )


def _model_lines(model: ModelResult, report: Report) -> Iterator[str]:
    facts = [model.architecture] if model.architecture not in model.name else []
    if model.input_shape is not None:
        facts.append(f"{model.unit} of {' x '.join(map(str, model.input_shape))}")
    if model.gflop is not None:
        facts.append(f"{model.gflop:.3g} GFLOP")
    if model.file_bytes is not None:
        facts.append(f"{model.file_bytes / 1e6:.1f} MB")
    name = f"{model.name} {model.version}" if model.version else model.name
    yield from textwrap.wrap(f"{name}: {', '.join(facts)}" if facts else name, WIDTH)
    if model.problem is not None:
        yield from _indented(f"not measured: {model.problem}")
    measured = [row for row in model.rows if row.milliseconds is not None]
    if measured:
        yield from _columns(measured, with_joules=report.energy.source is not None)
    for row in model.rows:
        if row.problem is not None:
            cell = f"{row.runtime}, threads {row.threads}, batch {row.batch}"
            yield from _indented(f"{cell}: {'stopped' if row.runs else 'failed'}: {row.problem}")
    for absent in model.absent:
        yield from _indented(f"{absent.runtime}: {absent.reason}")


def _columns(rows: Sequence[Row], *, with_joules: bool) -> Iterator[str]:
    """Aligned: names to the left, numbers to the right; tighter where that saves the width."""
    head = (*_HEAD, *_MEMORY, *((_JOULES,) if with_joules else ()))
    lines = [head, *(_cells(row, with_joules) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    gap = "  " if sum(widths) + 2 * len(widths) <= WIDTH else " "
    for line in lines:
        cells = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        yield gap.join([line[0].ljust(widths[0]), *cells])


def _cells(row: Row, with_joules: bool) -> tuple[str, ...]:
    times, memory = row.milliseconds, row.memory
    assert times is not None
    assert memory is not None
    model = None
    if memory.loaded is not None and memory.runtime is not None:
        model = memory.loaded - memory.runtime
    cells = (
        row.runtime,
        str(row.threads),
        str(row.batch),
        number(times.median),
        number(times.p95),
        number(times.min),
        number(row.cpu_milliseconds),
        number(row.per_second),
        "-" if row.ratio is None else f"{row.ratio:.2f}x",
        "-" if row.peak_fraction is None else f"{row.peak_fraction:.0%}",
        number(row.load_seconds),
        "-" if model is None else f"{model / 1e6:.0f}",
        "-" if memory.peak is None else f"{memory.peak / 1e6:.0f}",
    )
    return (*cells, number(row.joules)) if with_joules else cells


def _note_lines(report: Report) -> Iterator[str]:
    units = sorted({model.unit for model in report.models})
    yield from textwrap.wrap(
        f"Milliseconds are of one {' or '.join(units)}; CPU: of processor time. RATIO: speed "
        "against the first row, round by round. PEAK: of the machine's own pace. MODEL MB: memory "
        "the model adds to its runtime; MOST MB: the most its process held.",
        WIDTH,
    )
    if any(row.weights == "random" for model in report.models for row in model.rows):
        yield "torch, and what is named torch:, has random weights: speed does not depend on them."
    for absent in report.absent:
        yield f"not here: {absent.runtime}: {absent.reason}"
    if not report.complete:
        yield "interrupted: figures are of what was done until then"


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")


def number(value: float | None) -> str:
    """Three digits that count; a dash for none."""
    if value is None:
        return "-"
    steps = ((99.95, 0), (9.995, 1), (0.0995, 2))
    digits = next((digits for least, digits in steps if abs(value) >= least), 4)
    return f"{value:.{digits}f}"
