#!/usr/bin/env python3
"""Back up a server that keeps everything in one folder, while it runs: backup.py DATA_DIR TARGET

The queue is copied before the rows, and the rows before the media: what was accepted in between is
a row without a place in the queue, which the server puts back, and never a row without its media.
TARGET must not exist; it can stand in for DATA_DIR.
"""

import shutil
import sqlite3
import sys
from pathlib import Path


def main(source: Path, target: Path) -> None:
    """Copy all that DATA_DIR holds but the lock."""
    target.mkdir(parents=True, mode=0o700)
    for name in ("work.sqlite", "dfedge.sqlite"):
        if (source / name).exists():
            copy_database(source / name, target / name)
    for path in source.iterdir():
        if path.is_file() and not path.name.startswith(("work.", "dfedge.", "server.lock")):
            shutil.copy2(path, target / path.name)
    if (source / "media").is_dir():
        shutil.copytree(source / "media", target / "media", copy_function=copy_if_there)


def copy_database(source: Path, target: Path) -> None:
    """A copy as of one moment, whoever writes meanwhile."""
    reading = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
    writing = sqlite3.connect(target)
    try:
        reading.backup(writing)
    finally:
        reading.close()
        writing.close()


def copy_if_there(source: str, target: str) -> None:
    """Copy a file, unless the server has just deleted it."""
    try:
        shutil.copy2(source, target)
    except FileNotFoundError:
        return


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
