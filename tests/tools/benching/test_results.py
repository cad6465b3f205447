"""Figures by their stated definitions, and how they are shown."""

from __future__ import annotations

import json

import msgspec
import pytest

from dfedge.errors import UsageError
from dfedge_tools.benching.machine import Machine, describe_machine
from dfedge_tools.benching.measure import Entry
from dfedge_tools.benching.messages import Peak, Slice
from dfedge_tools.benching.plot import render_plot
from dfedge_tools.benching.results import (
    Absent,
    Energy,
    Memory,
    Milliseconds,
    ModelResult,
    PeakResult,
    Report,
    Row,
    Settings,
    peak_result,
    speed_ratio,
    summarize,
)
from dfedge_tools.benching.table import WIDTH, number, render
from dfedge_tools.commands.plots import prepare_plot

ROWS = (
    Row(
        runtime="torch",
        device="cpu",
        threads=1,
        batch=1,
        weights="random",
        ran_on="CPU",
        runs=100,
        milliseconds=Milliseconds(median=34.4, p95=41.25, min=33.1),
        per_second=28.9,
        cpu_milliseconds=34.0,
        ratio=1.0,
        peak_fraction=0.184,
        load_seconds=0.4,
        memory=Memory(runtime=100_000_000, loaded=175_000_000, peak=180_000_000),
        joules=0.42,
    ),
    Row(
        runtime="ort",
        device="cpu",
        threads=1,
        batch=8,
        weights="bundle",
        ran_on="CPUExecutionProvider",
        runs=300,
        milliseconds=Milliseconds(median=13.1, p95=14.0, min=12.9),
        per_second=1234.5,
        cpu_milliseconds=13.0,
        ratio=2.63,
        peak_fraction=0.48,
        load_seconds=12.0,
        memory=Memory(runtime=None, loaded=None, peak=None),
        joules=0.16,
    ),
    Row(
        runtime="torch-compile",
        device="cpu",
        threads=1,
        batch=1,
        weights="random",
        problem="its process was killed (SIGKILL): most likely the machine ran out of memory",
    ),
)
REPORT = Report(
    complete=True,
    machine=Machine(
        cpu="A Processor",
        board=None,
        cores=2,
        memory_bytes=24_000_000_000,
        system="Linux x86_64",
        python="3.11.7",
        load=1.5,
        versions={"onnxruntime": "1.31.1"},
    ),
    settings=Settings(
        device="cpu",
        runtimes=("torch", "torch-compile", "ort", "openvino"),
        threads=(1,),
        batches=(1, 8),
        seconds=5.0,
        runs=None,
        rounds=5,
    ),
    energy=Energy(source="RAPL, 1 package", idle_watts=11.0),
    peaks=(PeakResult(threads=1, gflop_per_second=264.0),),
    models=(
        ModelResult(
            name="tiny",
            kind="bundle",
            architecture="a_net",
            version="1.0.0",
            sha256="0" * 64,
            file_bytes=35_500_000,
            unit="crop",
            input_shape=(3, 224, 224),
            gflop=1.67,
            rows=ROWS,
        ),
    ),
    absent=(Absent(runtime="openvino", reason="openvino is not installed: pip install openvino"),),
)


def entry_of(turns: dict[int, tuple[float, ...]], side: int = 100) -> Entry:
    """A cell that took these seconds in these rounds."""
    entry = Entry("x", "x", Peak(threads=3, side=side), 1)
    for number_, seconds in turns.items():
        entry.turns[number_] = Slice(
            seconds=seconds, started=0.0, ended=1.0, cpu_seconds=1.0, peak_bytes=1
        )
    return entry


def test_statistics_are_those_stated() -> None:
    """Median: mean of the middle two; p95: linear between two runs; all divided by the batch."""
    times = summarize([0.04, 0.01, 0.03, 0.02], batch=2)
    assert times.median == pytest.approx(12.5)
    assert times.p95 == pytest.approx(19.25)
    assert times.min == pytest.approx(5.0)


def test_one_run_is_all_three() -> None:
    """As ``--runs 1`` gives."""
    assert Milliseconds(median=20.0, p95=20.0, min=20.0) == summarize([0.02], batch=1)


def test_a_ratio_is_taken_round_by_round() -> None:
    """The machine was three times as slow in the second round, and the ratio does not care."""
    first = entry_of({0: (0.4, 0.4), 1: (1.2,), 2: (0.5,)})
    second = entry_of({0: (0.2,), 1: (0.6, 0.6)})
    assert speed_ratio(second, 1, first, 1) == 2.0
    assert speed_ratio(second, 4, first, 1) == 8.0


def test_the_peak_is_the_best_run() -> None:
    """2 n^3 operations in the shortest time."""
    peak = peak_result(entry_of({0: (0.5, 0.25), 1: (0.3,)}, side=1000))
    assert PeakResult(threads=3, gflop_per_second=8.0) == peak
    assert peak_result(entry_of({})) is None


def test_the_table_is_aligned_and_fits_a_terminal() -> None:
    """100 columns at most, numbers under their heads, absences and failures told."""
    text = render(REPORT)
    lines = text.splitlines()
    assert max(map(len, lines)) <= WIDTH
    head = next(line for line in lines if line.startswith("RUNTIME"))
    rows = [line for line in lines if line.startswith(("torch  ", "ort  "))]
    assert [len(head)] * 2 == [len(row) for row in rows]
    for column in ("THR", "MEDIAN", "RATIO", "JOULES"):
        end = head.index(column) + len(column)
        assert all(row[end - 1] != " " and row[end : end + 1] in ("", " ") for row in rows)
    assert "torch-compile, threads 1, batch 1: failed: its process was killed" in text
    assert "not here: openvino: openvino is not installed: pip install openvino" in text
    assert "trust the ratios" in text
    assert "random weights" in text


def test_an_interrupted_report_says_so() -> None:
    """Also where nothing was measured yet."""
    empty = msgspec.structs.replace(REPORT, complete=False, models=(), peaks=())
    assert "interrupted" in render(empty)


def test_the_json_is_of_its_version_and_reads_back() -> None:
    """``dfedge.bench/1``: these fields, so that a later change must change the version."""
    content = msgspec.json.encode(REPORT)
    values = json.loads(content)
    assert values["schema"] == "dfedge.bench/1"
    assert {
        "schema",
        "complete",
        "machine",
        "settings",
        "energy",
        "peaks",
        "models",
        "absent",
    } == set(values)
    assert {
        "runtime",
        "device",
        "threads",
        "batch",
        "weights",
        "ran_on",
        "runs",
        "milliseconds",
        "per_second",
        "cpu_milliseconds",
        "ratio",
        "peak_fraction",
        "load_seconds",
        "memory",
        "joules",
        "problem",
    } == set(values["models"][0]["rows"][0])
    assert {"median": 34.4, "p95": 41.25, "min": 33.1} == values["models"][0]["rows"][0][
        "milliseconds"
    ]
    assert msgspec.json.decode(content, type=Report) == REPORT


def test_a_report_does_not_say_whose_machine_it_was() -> None:
    """No host name: results are made to be shown."""
    import platform

    told = msgspec.json.encode(describe_machine()).decode()
    assert platform.node() not in told or platform.node() in platform.machine()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (1234.5, "1234"),
        (99.96, "100"),
        (34.44, "34.4"),
        (2.6, "2.60"),
        (0.04, "0.0400"),
    ],
)
def test_numbers_keep_three_digits(value: float | None, shown: str) -> None:
    """More would be noise."""
    assert shown == number(value)


@pytest.mark.parametrize(("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_a_report_is_drawn(suffix: str, start: bytes) -> None:
    """Whole, in the format its name says; equal figures give equal bytes."""
    picture = render_plot(REPORT, suffix)
    assert picture.startswith(start)
    assert picture == render_plot(REPORT, suffix)


def test_what_cannot_be_drawn_is_refused() -> None:
    """An unknown format, and a report without a figure."""
    with pytest.raises(UsageError, match=r"\.png or \.svg"):
        prepare_plot("speed.jpeg", [])
    with pytest.raises(UsageError, match="nothing was measured"):
        render_plot(msgspec.structs.replace(REPORT, models=()), "png")
