"""Energy counters and sensors are read as their documents say. No machine here has one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dfedge_tools.benching import energy
from dfedge_tools.benching.energy import NOT_REPORTED, Ina, Meter, Rapl, find_source

Write = Callable[[dict[str, str]], Path]

RAPL = "class/powercap/intel-rapl:"


def rapl_zone(zone: str, name: str, energy_uj: int, reach: int = 1_000_000) -> dict[str, str]:
    """The files of one zone."""
    return {
        f"{RAPL}{zone}/name": name,
        f"{RAPL}{zone}/energy_uj": str(energy_uj),
        f"{RAPL}{zone}/max_energy_range_uj": str(reach),
    }


def hwmon_rail(chip: str, channel: int, name: str, millivolts: int, ma: int) -> dict[str, str]:
    """The files of one channel of a Jetson's sensor, JetPack 5 and later."""
    folder = f"bus/i2c/drivers/ina3221/{chip}/hwmon/hwmon3"
    return {
        f"{folder}/in{channel}_label": name,
        f"{folder}/in{channel}_input": str(millivolts),
        f"{folder}/curr{channel}_input": str(ma),
    }


def test_packages_are_summed_and_their_parts_are_not(sysfs: Write) -> None:
    """Cores are counted within their package, and psys counts the same a second time."""
    root = sysfs(
        rapl_zone("0", "package-0", 2_000_000)
        | rapl_zone("0:0", "core", 1_500_000)
        | rapl_zone("1", "package-1", 500_000)
        | rapl_zone("2", "psys", 9_000_000)
    )
    rapl = Rapl.find(root)
    assert rapl is not None
    assert rapl.joules() == 2.5
    assert rapl.name == "RAPL, 2 packages"


def test_a_counter_that_starts_again_goes_on(sysfs: Write) -> None:
    """At its range it falls to 0; energy does not."""
    root = sysfs(rapl_zone("0", "package-0", 900_000))
    rapl = Rapl.find(root)
    assert rapl is not None
    before = rapl.joules()
    for value, gained in ((950_000, 0.05), (100_000, 0.2), (50_000, 1.15)):
        sysfs(rapl_zone("0", "package-0", value))
        assert rapl.joules() - before == pytest.approx(gained)


def test_a_board_rail_stands_for_all_it_feeds(sysfs: Write) -> None:
    """VDD_IN of an Orin NX: the other rails are behind it."""
    root = sysfs(
        hwmon_rail("1-0040", 1, "VDD_IN", 5000, 2000)
        | hwmon_rail("1-0040", 2, "VDD_CPU_GPU_CV", 5000, 800)
        | hwmon_rail("1-0040", 3, "VDD_SOC", 5000, 400)
    )
    ina = Ina.find(root)
    assert ina is not None
    assert ina.watts() == 10.0
    assert ina.name == "INA3221, VDD_IN"


def test_without_a_board_rail_all_are_summed(sysfs: Write) -> None:
    """AGX Orin has two chips; what another rail feeds is not counted twice."""
    root = sysfs(
        hwmon_rail("1-0040", 1, "VDD_GPU_SOC", 20000, 300)
        | hwmon_rail("1-0040", 2, "VDD_CPU_CV", 20000, 100)
        | hwmon_rail("1-0040", 3, "VIN_SYS_5V0", 5000, 1000)
        | hwmon_rail("1-0041", 2, "VDDQ_VDD2_1V8AO", 5000, 200)
    )
    ina = Ina.find(root)
    assert ina is not None
    assert ina.watts() == pytest.approx(6.0 + 2.0 + 5.0)


def test_sensors_of_older_jetpacks_tell_milliwatts(sysfs: Write) -> None:
    """By iio, JetPack 4."""
    folder = "bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    root = sysfs({f"{folder}/rail_name_0": "POM_5V_IN", f"{folder}/in_power0_input": "3141"})
    ina = Ina.find(root)
    assert ina is not None
    assert ina.watts() == 3.141


def test_power_is_summed_over_time(sysfs: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two readings by the mean of both: 1 s from 2 W to 4 W is 3 J."""
    now = [100.0]
    monkeypatch.setattr(energy.time, "monotonic", lambda: now[0])
    ina = Ina.find(sysfs(hwmon_rail("1-0040", 1, "VDD_IN", 1000, 2000)))
    assert ina is not None
    assert ina.joules() == 0.0
    now[0] += 1.0
    sysfs(hwmon_rail("1-0040", 1, "VDD_IN", 1000, 4000))
    assert ina.joules() == 3.0


def test_a_stretch_of_time_has_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """The meter's samples need not fall on the moments asked for."""

    clock = time.monotonic
    last = threading.local()

    def remember() -> float:
        last.read = clock()
        return float(last.read)

    class Steady:
        name = "5 W"

        def joules(self) -> float:
            return 5.0 * float(last.read)

    monkeypatch.setattr(energy.time, "monotonic", remember)
    with Meter(Steady()) as meter:
        start = clock()
        assert meter.between(start + 0.01, start + 0.03) == pytest.approx(0.1)
        assert meter.idle_watts(0.02) == pytest.approx(5.0)


def test_a_machine_that_reports_nothing_says_so(sysfs: Write) -> None:
    """No energy is not 0 joules."""
    assert find_source(sysfs({})) == NOT_REPORTED


def test_counters_only_root_may_read_are_told_with_the_way_out(
    sysfs: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The usual case on Linux since 2020."""
    root = sysfs(rapl_zone("0", "package-0", 1))
    read_text = Path.read_text

    def refuse(path: Path, **options: str) -> str:
        if path.name == "energy_uj":
            raise PermissionError(13, os.strerror(13), str(path))
        return read_text(path, **options)

    monkeypatch.setattr(Path, "read_text", refuse)
    told = find_source(root)
    assert isinstance(told, str)
    assert "only root may read" in told
    assert "chmod" in told


def test_a_sensor_that_is_broken_does_not_stop_the_rest(sysfs: Write) -> None:
    """What it gives cannot be read, and it is told."""
    root = sysfs(rapl_zone("0", "package-0", 1) | {f"{RAPL}0/energy_uj": "none"})
    told = find_source(root)
    assert isinstance(told, str)
    assert NOT_REPORTED in told
