"""The process that opens media, and does nothing else; ``python -I -m`` runs this module.

It loads the libraries and the face detector once and then forks: each source is opened by a fresh
child that has seen no other, gives faces and pixels back, and ends. The parent of the children
never touches media. What it could do to the machine is given up before anything is loaded, and the
rest after the fork: a child reads its source and writes nothing, gains no rights, has no network
where the system lets it drop that, and little memory and time.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from dfedge_server.heavy.opening import Opener

READY: Final = b"R"
FORK: Final = b"F"
"""Comes with a socket for the child; the answer is the child's number."""
END: Final = b"E"
"""With a child's number: it is ended where it has not; the answer is its status, as of waitpid."""
NUMBER_BYTES: Final = 8
"""Of the number that follows each command, and of each answer."""

OPEN_FILES: Final = 64
NICER: Final = 2

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_NO_NEW_PRIVS = 38


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is told on its command line, as JSON.

    Attributes:
        face_bundle: folder of the face detector.
        memory_bytes: address space of a child.
        cpu_seconds: processor time of a child.
    """

    face_bundle: str
    memory_bytes: int
    cpu_seconds: int


def main() -> None:
    """Load, say so, and fork when told to until standard input, a socket, is closed."""
    config = msgspec.json.decode(sys.argv[1], type=Config)
    control = socket.socket(fileno=os.dup(0))
    _silence()
    _give_up_rights()
    resource.setrlimit(resource.RLIMIT_AS, (config.memory_bytes, config.memory_bytes))
    from dfedge_server.heavy.opening import Opener  # loads the libraries, within the limit

    opener = Opener(config.face_bundle)
    control.sendall(READY)
    children: set[int] = set()
    while True:
        command, handles, _, _ = socket.recv_fds(control, 1 + NUMBER_BYTES, 1)
        if not command:
            break
        number = int.from_bytes(command[1:], "big")
        if command[:1] == FORK:
            answer = _fork(socket.socket(fileno=handles[0]), control, opener, config)
            children.add(answer)
        else:
            answer = _end(number) if number in children else 0
            children.discard(number)
        control.sendall(answer.to_bytes(NUMBER_BYTES, "big"))
    for child in children:
        _end(child)


def _fork(talk: socket.socket, control: socket.socket, opener: Opener, config: Config) -> int:
    """A child that opens one source; its number."""
    child = os.fork()
    if child:
        talk.close()
        return child
    try:
        control.close()
        _limit(config)
        opener.serve(talk)
    finally:
        os._exit(0)


def _end(child: int) -> int:
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def _silence() -> None:
    """Libraries that print have nowhere to print to."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.close(nowhere)


def _give_up_rights() -> None:
    """No more rights by running a program, no rights of root, no network: as far as it goes.

    The last two need a system that lets anyone make namespaces; where it does not, the rest holds.
    """
    os.nice(NICER)
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _limit(config: Config) -> None:
    """What a child may use. No limit on processes: it would count all of the same user."""
    for what, most in (
        (resource.RLIMIT_CPU, config.cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
    ):
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    main()
