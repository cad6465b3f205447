"""Pixels of packed pictures: one flat array of bytes in Zarr 3, in shards, read without Zarr.

The array is ``uint8``, one-dimensional, not compressed: pictures end to end, none across the border
of two shards. Any Zarr reader opens it. Ours takes a shortcut: in a shard whose chunks are all
there, in order and not compressed, as they are written here (and checked after writing), the bytes
of a picture lie at its own offset, so reading it is one read of a file.

Why so. Read one by one in random order (256 x 256 pictures, one core), Zarr 3.1.6 gives about 500 a
second whatever the layout (one chunk a picture, or a flat array in chunks of 64 kB to 1 MB), fewer
as variable-length bytes, all of it spent in its bookkeeping; the shortcut gives more than ten
thousand. Photographs hardly shrink without loss, and decoding would cost more than training can
spare, so nothing is compressed. A flat array takes pictures of any size without padding.
``python -m benchmarks.data`` measures it again.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from dfedge.errors import UsageError
from dfedge.types import Image
from dfedge_tools.data.journal import writing_to

CHUNK_BYTES = 1 << 16
"""What other Zarr readers read at least; the smallest that is still written fast."""

SHARD_BYTES = 1 << 26
"""64 MiB: about 300 pictures of 256 x 256, and as much as a kill while packing can lose."""

METADATA = "zarr.json"


class PixelReader:
    """Pictures of an array by where they begin; keeps nothing open, safe in any process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            metadata = msgspec.json.decode((folder / METADATA).read_bytes(), type=_Metadata)
            (self._shard_bytes,) = metadata.chunk_grid.configuration.chunk_shape
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            raise UsageError(
                f"{folder}: is no array of packed pictures ({error}); pack again (dfedge data pack)"
            ) from error

    def read(self, offset: int, height: int, width: int) -> Image:
        """The picture that begins at byte `offset` of the array, (height, width, 3)."""
        shard, start = divmod(offset, self._shard_bytes)
        path = shard_path(self._folder, shard)
        size = height * width * 3
        try:
            flat = np.fromfile(path, np.uint8, count=size, offset=start)
        except OSError as error:
            raise UsageError(
                f"{path}: {error.strerror or error}; see to it, or pack again (dfedge data pack)"
            ) from error
        if flat.size != size:
            raise UsageError(f"{path}: is cut off; pack again (dfedge data pack)")
        return flat.reshape(height, width, 3)


class PixelWriter:
    """Writes the shards of an array one after the other.

    Attributes:
        shard: number of the shard being filled.
    """

    def __init__(self, folder: Path, *, shard: int = 0, shard_bytes: int = SHARD_BYTES) -> None:
        self.shard = shard
        self._folder = folder
        self._buffer: npt.NDArray[np.uint8] = np.zeros(shard_bytes, np.uint8)
        self._used = 0
        for stray in folder.rglob("*.partial"):  # of Zarr's own writing, in a run that was killed
            stray.unlink()

    def holds(self, size: int) -> bool:
        """Whether a picture of so many bytes goes into any shard."""
        return size <= self._buffer.size

    def fits(self, size: int) -> bool:
        """Whether it goes into what is left of this one."""
        return self._used + size <= self._buffer.size

    def add(self, image: Image) -> int:
        """Add a picture that fits; its offset in the array."""
        offset = self.shard * self._buffer.size + self._used
        self._buffer[self._used : self._used + image.size] = image.reshape(-1)
        self._used += image.size
        return offset

    def write(self) -> Path:
        """Write the shard in one step, check what was written, and begin the next.

        Raises:
            UsageError: The disk is full, may not be written, or gave back other bytes.
        """
        import zarr

        start = self.shard * self._buffer.size
        path = shard_path(self._folder, self.shard)
        with (
            writing_to(self._folder),
            zarr.config.set({"array.write_empty_chunks": True}),  # black is not left out
        ):
            if not (self._folder / METADATA).is_file():
                zarr.create_array(
                    self._folder,
                    shape=(0,),
                    chunks=(CHUNK_BYTES,),
                    shards=(self._buffer.size,),
                    dtype="uint8",
                    compressors=None,
                    fill_value=0,
                )
            array = zarr.open_array(self._folder, mode="r+")
            array.resize((start + self._used,))
            array[start:] = self._buffer[: self._used]
            written = np.fromfile(path, np.uint8, count=self._used)
        if not np.array_equal(written, self._buffer[: self._used]):
            raise UsageError(
                f"{path}: what was read back is not what was written; see to the disk, or install "
                "the version of zarr that constraints.txt names"
            )
        self._buffer[:] = 0
        self._used = 0
        self.shard += 1
        return path


def shard_path(folder: Path, shard: int) -> Path:
    """File of a shard: Zarr's default name of a chunk of a one-dimensional array."""
    return folder / "c" / str(shard)


class _ChunkShape(msgspec.Struct):
    chunk_shape: tuple[int]


class _ChunkGrid(msgspec.Struct):
    configuration: _ChunkShape


class _Metadata(msgspec.Struct):
    chunk_grid: _ChunkGrid
