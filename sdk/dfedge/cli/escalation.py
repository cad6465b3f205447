"""The options of ``--escalate``, and what is told of an escalation on stderr."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from dfedge.cli.options import names_a_file, positive_number
from dfedge.errors import UsageError
from dfedge.report.wording import printable

if TYPE_CHECKING:
    from dfedge.analysis import Success
    from dfedge.escalation.options import EscalationOptions

_ONLY_WITH_ESCALATE = {
    "api_key_file": "--api-key-file",
    "escalate_what": "--escalate-what",
    "escalate_when": "--escalate-when",
    "escalate_timeout": "--escalate-timeout",
    "escalate_no_keep": "--escalate-no-keep",
    "escalate_allow_http": "--escalate-allow-http",
    "send_name": "--send-name",
    "yes": "--yes",
}


def add_escalation_options(parser: argparse.ArgumentParser) -> None:
    """Which server is asked where the device is unsure, and what may leave the device."""
    group = parser.add_argument_group("escalation (nothing leaves this machine without it)")
    group.add_argument(
        "--escalate",
        metavar="URL",
        help="ask this server for a second opinion where the verdict is UNCERTAIN; says what "
        "would be sent and asks before the first time",
    )
    key = group.add_argument(
        "--api-key-file",
        metavar="FILE",
        help="file with the key for that server (default: $DFEDGE_API_KEY)",
    )
    names_a_file(key)
    group.add_argument(
        "--escalate-what",
        choices=("crops", "clip"),
        metavar="WHAT",
        help="crops: pictures of the faces (default); clip: the whole file",
    )
    group.add_argument(
        "--escalate-when",
        choices=("uncertain", "always"),
        metavar="WHEN",
        help="uncertain: only what is UNCERTAIN (default); always: all with a face",
    )
    group.add_argument(
        "--escalate-timeout",
        type=positive_number,
        metavar="SECONDS",
        help="take this machine's verdict when none came after so long (default: 120)",
    )
    group.add_argument(
        "--escalate-no-keep",
        action="store_true",
        help="ask the server to delete what was sent as soon as it has answered",
    )
    group.add_argument(
        "--escalate-allow-http",
        action="store_true",
        help="send key and faces unencrypted to a machine other than this one",
    )
    group.add_argument(
        "--send-name", action="store_true", help="tell the server the name of the file"
    )
    group.add_argument(
        "--yes", action="store_true", help="agree to what would be sent, without being asked"
    )


def escalation_options(args: argparse.Namespace) -> EscalationOptions | None:
    """What was asked for, once the user has agreed to it; None without ``--escalate``.

    Raises:
        UsageError: an option cannot work, there is no key, or the user does not agree.
    """
    if args.escalate is None:
        for name, option in _ONLY_WITH_ESCALATE.items():
            if getattr(args, name):
                raise UsageError(f"{option}: this says how to escalate; add --escalate URL")
        return None
    from dfedge.cli.consent import require_consent
    from dfedge.escalation.options import EscalationOptions

    options = EscalationOptions(
        args.escalate,
        what=args.escalate_what or "crops",
        when=args.escalate_when or "uncertain",
        send_name=args.send_name,
        keep=not args.escalate_no_keep,
        timeout_seconds=args.escalate_timeout or 120.0,
        allow_http=args.escalate_allow_http,
    ).with_key(_key_of(args.api_key_file) if args.api_key_file else None)
    require_consent(options, agreed=args.yes)
    return options


class EscalationTeller:
    """Says on stderr where each escalation can be looked up, or why there is no second opinion."""

    def __init__(self, stream: TextIO, *, quiet: bool) -> None:
        self._stream = stream
        self._quiet = quiet
        self._told: set[str] = set()

    def tell(self, result: Success) -> None:
        """Tell what came of one input; what the server notes of all is told once."""
        came = result.analysis.escalation
        if came is None:
            return
        name = printable(result.verdict.source.name)
        if came.problem:
            self._write(f"dfedge: {name}: {came.problem}; the verdict is this machine's own")
            if came.href is not None:
                self._write(f"  The server may still answer: {came.href}")
        elif not self._quiet:
            self._write(f"{name}: second opinion by {came.href}")
            for note in came.notes:
                if note not in self._told:
                    self._told.add(note)
                    self._write(f"  {note}")

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")


def _key_of(name: str) -> str:
    from dfedge.escalation.options import checked_key

    try:
        text = Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--api-key-file {name}: {error.strerror or error}") from error
    except ValueError as error:
        raise UsageError(f"--api-key-file {name}: this is no text file") from error
    return checked_key(text, f"--api-key-file {name}")
