"""Throughput of data preparation: extraction, crops, packing, and random reads of packed pictures.

Everything runs with as many processes as ``--workers`` says, each with one thread; rates are of all
together, and the CPU time of one item says what a core can do when the machine is busy. Reads are
of 256 x 256 pictures in random order, from the page cache, each process with a store of its own
opening; beside them the same reads through Zarr.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.clips import measured_clips
from dfedge_tools.data.crops import crop_faces
from dfedge_tools.data.faces import FaceRecord, read_faces, write_faces
from dfedge_tools.data.frames import extract_frames
from dfedge_tools.data.pack import pack_manifests
from dfedge_tools.data.pictures import encode_image
from dfedge_tools.data.store import PIXELS, CropStore

SIDE = 256
READS = 400
"""A process, through Zarr; ten times as many without."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast something was.

    Attributes:
        per_second: items.
        cpu_ms: milliseconds of CPU an item, of all processes.
    """

    per_second: float
    cpu_ms: float


def prepare(clips: Sequence[Path], folder: Path, workers: int) -> dict[str, Rate]:
    """Rates of the three stages on some clips, start of the processes included."""
    root = os.path.relpath(clips[0].parent, folder)
    lines = [f"#root={root}", "path,label,split", *(f"{clip.name},0,train" for clip in clips)]
    (folder / "clips.csv").write_text("\n".join(lines) + "\n")
    rates: dict[str, Rate] = {}
    frames = folder / "frames"
    extract = partial(extract_frames, folder / "clips.csv", frames, workers=workers)
    rates["frames extracted (6 a video)"] = _rate(lambda: extract().frames)
    crop = partial(crop_faces, frames, folder / "crops", workers=workers)
    rates["pictures cropped, three ways"] = _rate(lambda: crop().done)
    scene = folder / "crops" / "scene"
    pack = partial(pack_manifests, [scene], workers=workers)
    rates["pictures packed, faces known"] = _rate(lambda: pack(out=folder / "store").done)
    (scene / "faces.csv").unlink()
    rates["pictures packed, faces found"] = _rate(lambda: pack(out=folder / "other").done)
    return rates


def make_store(folder: Path, count: int) -> Path:
    """A store of pictures of noise, which nothing can shrink."""
    stills = folder / "stills"
    stills.mkdir()
    random = np.random.default_rng(0)
    names = [f"{number:04}.png" for number in range(count)]
    for name in names:
        picture = random.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        (stills / name).write_bytes(encode_image(picture, "png"))
    (stills / "manifest.csv").write_text("\n".join(["path", *names]) + "\n")
    face = FaceRecord((60.0, 60.0, 190.0, 190.0), (128.0,) * 12, 0.9)
    write_faces(stills, dict.fromkeys(names, face))
    assert len(read_faces(stills)) == count
    pack_manifests([stills], folder / "noise")
    return folder / "noise"


def read_store(folder: Path, seed: int) -> Rate:
    """Reading pictures from a store, by one process."""
    store = CropStore(folder)
    rows = np.random.default_rng(seed).integers(0, len(store.rows), 10 * READS)

    def read() -> int:
        for row in rows:
            store.image(int(row))
        return len(rows)

    return _rate(read)


def read_zarr(folder: Path, seed: int) -> Rate:
    """The same through Zarr."""
    import zarr

    store = CropStore(folder)
    array = zarr.open_array(folder / PIXELS, mode="r")
    rows = np.random.default_rng(seed).integers(0, len(store.rows), READS)

    def read() -> int:
        for number in rows:
            row = store.rows[int(number)]
            flat = np.asarray(array[row.offset : row.offset + row.height * row.width * 3])
            flat.reshape(row.height, row.width, 3)
        return len(rows)

    return _rate(read)


def read_rates(store: Path, workers: int) -> dict[str, Rate]:
    """Reads of all processes together, by one process and by `workers`."""
    context = multiprocessing.get_context("spawn")
    rates: dict[str, Rate] = {}
    for processes in sorted({1, workers}):
        for name, read in (("store", read_store), ("Zarr", read_zarr)):
            with ProcessPoolExecutor(processes, mp_context=context) as pool:
                each = list(pool.map(partial(read, store), range(processes)))
            rates[f"pictures read by {name}, {processes} process(es)"] = Rate(
                sum(rate.per_second for rate in each), fmean(rate.cpu_ms for rate in each)
            )
    return rates


def main() -> None:
    """Print a line a rate; ``--json`` prints all at once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--pictures", type=int, default=600, help="in the store that is read")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="dfedge-bench-") as name, measured_clips() as clips:
        folder = Path(name)
        rates = prepare(list(clips.values()), folder, arguments.workers)
        rates |= read_rates(make_store(folder, arguments.pictures), arguments.workers)
    if arguments.json:
        print(json.dumps({what: asdict(rate) for what, rate in rates.items()}, indent=2))
        return
    for what, rate in rates.items():
        print(f"{what:42} {rate.per_second:9.1f} /s {rate.cpu_ms:9.2f} ms of CPU each")


def _rate(work: Callable[[], int]) -> Rate:
    started, cpu = time.perf_counter(), _cpu_seconds()
    done = work()
    took, used = time.perf_counter() - started, _cpu_seconds() - cpu
    return Rate(done / took, used / done * 1000)


def _cpu_seconds() -> float:
    """Of this process and of those it has waited for."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    main()
