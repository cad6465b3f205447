"""Consent to sending pictures of faces to a server: asked once on a terminal, and remembered."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfedge.cli.terminal import is_terminal
from dfedge.errors import UsageError

if TYPE_CHECKING:
    from dfedge.escalation.options import EscalationOptions

CONSENT_VARIABLE = "DFEDGE_ESCALATE_CONSENT"
_WIDTH = 88


def require_consent(options: EscalationOptions, *, agreed: bool) -> None:
    """Return when the user agrees that this is sent to this server.

    Args:
        agreed: the user has said so with this very command.

    Raises:
        UsageError: they did not, or there is nobody to ask.
    """
    if agreed or os.environ.get(CONSENT_VARIABLE) == "1" or _is_remembered(options):
        return
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise UsageError(
            f"nothing is sent to {options.server} without consent: agree once on a terminal, "
            f"or say so with --yes or {CONSENT_VARIABLE}=1"
        )
    sys.stderr.write(describe(options) + f"Send this to {options.server}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was sent; leave --escalate out to judge on this machine alone")
    _remember(options)


def describe(options: EscalationOptions) -> str:
    """What would be sent, a few lines."""
    whose = "is unsure of" if options.when == "uncertain" else "finds a face in"
    what = (
        "the whole file as it is, with its sound and whatever is written in it (a place, a "
        "device); of an address or a folder of frames, pictures of the faces"
        if options.what == "clip"
        else "pictures of the faces and what is right around them, at most 32 of each person; "
        "neither the rest of the frame nor the sound"
    )
    items = [
        what,
        "where and when each face is seen, and this machine's own verdict with its scores",
        "the name of the file, without its folder" if options.send_name else "no file name",
    ]
    kept = (
        "The server keeps them as long as its operator decided."
        if options.keep
        else "The server is asked to delete the pictures as soon as it has answered."
    )
    lines = textwrap.wrap(
        f"{options.server} is asked for a second opinion on each input that this machine {whose}. "
        "For that it is sent:",
        _WIDTH,
    )
    for item in items:
        lines += textwrap.wrap(item, _WIDTH, initial_indent="  - ", subsequent_indent="    ")
    return "\n".join([*lines, kept]) + "\n"


def consent_file() -> Path:
    """``$DFEDGE_HOME/escalation.json``, or that file in the user's configuration folder."""
    home = os.environ.get("DFEDGE_HOME")
    if home:
        return Path(home).expanduser() / "escalation.json"
    import platformdirs

    return platformdirs.user_config_path("dfedge", appauthor=False) / "escalation.json"


def _is_remembered(options: EscalationOptions) -> bool:
    """Whether at least as much was agreed to before."""
    agreed = _read().get(options.server)
    return isinstance(agreed, dict) and all(
        agreed.get(name) is True for name, asked in _asked(options).items() if asked
    )


def _remember(options: EscalationOptions) -> None:
    """Add to what was agreed to before; where that cannot be written, it is asked again."""
    path, everything = consent_file(), _read()
    before = everything.get(options.server)
    agreed = before if isinstance(before, dict) else {}
    everything[options.server] = agreed | {
        name: True for name, asked in _asked(options).items() if asked
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        sys.stderr.write(f"dfedge: this could not be remembered ({path}: {error.strerror})\n")


def _asked(options: EscalationOptions) -> dict[str, bool]:
    """What is agreed to, one by one, each more than nothing."""
    return {
        "crops": True,
        "clip": options.what == "clip",
        "name": options.send_name,
        "every_face": options.when == "always",
        "kept": options.keep,
        "unencrypted": options.allow_http,
    }


def _read() -> dict[str, Any]:
    try:
        agreed = json.loads(consent_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return agreed if isinstance(agreed, dict) else {}
