"""Which files this process may still read, by Linux's Landlock; for any user, since Linux 5.13.

See ``man 7 landlock``. The C library has no functions for it, so the three calls are made by number
(the same on every architecture).
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH: Final = 1
_ALL_RIGHTS: Final = (1 << 13) - 1
"""Those of the first version, which every kernel with Landlock knows."""
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3

_SYSTEM: Final = ("/usr", "/lib", "/lib64", "/dev/null", "/dev/urandom", "/sys/devices/system")


def code_folders() -> tuple[str, ...]:
    """Where Python, this project and the libraries of the system lie."""
    return (sys.prefix, sys.base_prefix, *sys.path, *_SYSTEM)


def read_only(files: Iterable[str]) -> bool:
    """From now on this thread, and all it starts, reads these files and folders and writes none.

    It needs ``no_new_privs``, and cannot be undone.

    Returns:
        Whether the system knows how; where it does not, nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return False
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    rights = struct.pack("Q", _ALL_RIGHTS)
    rules = syscall(_CREATE_RULESET, rights, ctypes.c_size_t(len(rights)), 0)
    if rules < 0:
        return False
    try:
        for path in dict.fromkeys(files):
            with suppress(OSError):  # what is not there need not be read
                _allow(syscall, rules, path)
        return bool(syscall(_RESTRICT_SELF, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow(syscall: ctypes._NamedFuncPointer, rules: int, path: str) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rights = _READ_FILE | _READ_FOLDER if os.path.isdir(path) else _READ_FILE  # noqa: PTH112
        syscall(_ADD_RULE, rules, _PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)
