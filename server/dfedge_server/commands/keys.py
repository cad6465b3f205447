"""``dfedge keys``: the API keys of the escalation server, straight in its database."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dfedge.cli.exits import Exit
from dfedge.cli.options import (
    HelpFormatter,
    Subparsers,
    add_general_options,
    names_a_file,
    whole_number,
)
from dfedge.errors import UsageError
from dfedge_server.commands.keys_text import described, minute, table, values

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from dfedge_server.db.models import ApiKey

_DESCRIPTION = """\
Make, rotate, revoke and list the API keys of the escalation server. Works on its
database (made where there is none yet), whether the server runs or not; what is done is
in the audit log.
"""

_EPILOG = """\
scopes:
  escalate  ask for verdicts; see, cancel and delete what it knows the identity of
  read      list what its tenant asked for, see its media and evidence, decide otherwise
  admin     all of it, read the metrics, change the server's models and threshold

exit codes:
  0    done
  2    nothing was done: wrong usage, no such key, or a database that cannot be reached
  70   a bug in dfedge; --debug shows where

examples:
  dfedge keys create "browser extension" --scope escalate
  dfedge keys create desk --tenant newsroom --scope read --expires 90d
  dfedge keys list --tenant newsroom
  dfedge keys rotate dfe_q3k8x1mz --grace 7d
  dfedge keys revoke dfe_q3k8x1mz --yes
"""

ACTOR = "command line"
"""Who did it, in the audit log."""

SCOPES = ("escalate", "read", "admin")
"""Written out so that building the parser imports nothing of the server."""

_DURATION = re.compile(r"(\d{1,4})\s*([mhdw])", re.IGNORECASE)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_Answer = TypeVar("_Answer")


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "keys",
        help="make, rotate, revoke and list the server's API keys",
        usage="dfedge keys COMMAND [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    add_general_options(parser)
    actions = parser.add_subparsers(
        title="commands", prog="dfedge keys", metavar="COMMAND", required=True
    )
    create = _add_action(actions, "create", _create, "make a key and print it, once")
    create.add_argument("name", metavar="NAME", help="what the key is for; shown in lists")
    create.add_argument(
        "--tenant",
        default="default",
        metavar="NAME",
        help="whose data it sees; tenants see nothing of each other (default: default)",
    )
    create.add_argument(
        "--scope",
        action="append",
        choices=SCOPES,
        metavar="SCOPE",
        help=f"what it may do: {', '.join(SCOPES)}; may be given again (default: escalate and "
        "read)",
    )
    create.add_argument(
        "--expires",
        type=_moment,
        metavar="WHEN",
        help="after a time such as 12h, 90d or 52w, or at the start of a day such as 2027-06-30, "
        "UTC (default: never)",
    )
    create.add_argument(
        "--rate",
        type=whole_number,
        metavar="N",
        help="requests a minute (default: the setting requests_per_minute)",
    )
    listed = _add_action(actions, "list", _list, "all keys, without their secrets")
    listed.add_argument("--tenant", metavar="NAME", help="only this tenant's (default: all)")
    rotate = _add_action(
        actions, "rotate", _rotate, "make a key that takes another's place, and print it, once"
    )
    rotate.add_argument("key", metavar="KEY", help=_KEY_HELP)
    rotate.add_argument(
        "--grace",
        type=_duration,
        default=timedelta(days=1),
        metavar="TIME",
        help="how long the old key still works, such as 30m, 12h or 7d (default: 1d)",
    )
    revoke = _add_action(
        actions, "revoke", _revoke, "end a key at once, and all that are signed in with it"
    )
    revoke.add_argument("key", metavar="KEY", help=_KEY_HELP)
    revoke.add_argument("--yes", action="store_true", help="do not ask")


_KEY_HELP = "the first part of the key, as dfedge keys list shows it: dfe_ and 8 characters"


def _add_action(
    actions: Any, name: str, handler: Callable[[argparse.Namespace], int], summary: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    config = parser.add_argument(
        "--config", type=Path, metavar="FILE", help="the server's settings file, TOML"
    )
    names_a_file(config)
    folder = parser.add_argument(
        "--data-dir", type=Path, metavar="FOLDER", help="the server's data folder"
    )
    names_a_file(folder)
    add_general_options(parser)
    parser.set_defaults(handler=handler, extra="server")
    return parser


def _create(args: argparse.Namespace) -> int:
    from dfedge_server.security.keys import create_key
    from dfedge_server.security.principal import Scope

    async def create(session: AsyncSession) -> tuple[ApiKey, str]:
        return await create_key(
            session,
            name=args.name,
            tenant=args.tenant,
            scopes={Scope(scope) for scope in args.scope or ("escalate", "read")},
            requests_per_minute=args.rate,
            expires_at=args.expires,
            actor=ACTOR,
        )

    row, secret = _in_database(args, create)
    _tell_secret(args, row, secret, f"made {described(row)}")
    return Exit.DONE


def _list(args: argparse.Namespace) -> int:
    from dfedge_server.security.keys import list_keys

    rows = _in_database(args, lambda session: list_keys(session, tenant=args.tenant))
    if args.json:
        _print_json([values(row) for row in rows])
    elif not rows:
        print("there are no keys; dfedge keys create NAME makes one")
    else:
        print(table(rows))
    return Exit.DONE


def _rotate(args: argparse.Namespace) -> int:
    from dfedge_server.security.keys import find_key, rotate_key

    async def rotate(session: AsyncSession) -> tuple[ApiKey, str, ApiKey]:
        new, secret = await rotate_key(session, args.key, grace=args.grace, actor=ACTOR)
        return new, secret, await find_key(session, args.key)

    new, secret, old = _in_database(args, rotate)
    until = minute(old.expires_at)
    told = f"made {described(new)}\nit takes the place of {old.prefix}, which works until {until}"
    _tell_secret(args, new, secret, told)
    return Exit.DONE


def _revoke(args: argparse.Namespace) -> int:
    from dfedge_server.security.keys import find_key, revoke_key

    if not args.yes:
        row = _in_database(args, lambda session: find_key(session, args.key))
        _ask(f"Revoke {described(row)}? Whoever uses it is shut out at once.")
    row = _in_database(args, lambda session: revoke_key(session, args.key, actor=ACTOR))
    if args.json:
        _print_json(values(row))
    else:
        print(f"revoked {row.prefix}: it works no more")
    return Exit.DONE


def _in_database(
    args: argparse.Namespace, act: Callable[[AsyncSession], Awaitable[_Answer]]
) -> _Answer:
    """Do something in one transaction of the server's database, which is made if it is new."""
    from dfedge_server.db.engine import Database
    from dfedge_server.db.migrate import migrate
    from dfedge_server.settings import load_settings

    given = {} if args.data_dir is None else {"data_dir": args.data_dir}
    settings = load_settings(args.config, **given)

    async def run() -> _Answer:
        await migrate(settings)
        database = Database(settings)
        try:
            async with database.session() as session:
                return await act(session)
        finally:
            await database.close()

    return asyncio.run(run())


def _ask(question: str) -> None:
    """Go on only when the user agrees."""
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to confirm; --yes revokes without asking")
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was revoked")


def _tell_secret(args: argparse.Namespace, row: ApiKey, secret: str, told: str) -> None:
    if args.json:
        _print_json(values(row) | {"key": secret})
        return
    print(f"{told}\n\n  {secret}\n\nKeep it now: it is not shown again.")


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 30m, 12h, 7d or 4w")
    return timedelta(**{_UNITS[match[2].lower()]: int(match[1])})


def _moment(text: str) -> datetime:
    try:
        day = date.fromisoformat(text.strip())
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    except ValueError:
        pass
    try:
        return datetime.now(UTC) + _duration(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time such as 12h or 90d, nor a day such as 2027-06-30"
        ) from None
