"""``dfedge serve``: run the escalation server."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dfedge.cli.exits import Exit
from dfedge.cli.options import HelpFormatter, Subparsers, add_general_options, names_a_file

if TYPE_CHECKING:
    from dfedge_server.settings import Settings

_DESCRIPTION = """\
Run the escalation server: heavier verdicts for what a device is unsure of.

  dfedge serve          API and worker in one process, with SQLite and a folder
  dfedge serve api      the API alone
  dfedge serve worker   a worker alone; several machines need PostgreSQL and S3
  dfedge serve check    whether the server can work as it is set up
"""

_EPILOG = """\
Settings come from these options, then DFEDGE_SERVER_... in the environment, then the settings
file. The first SIGTERM or Ctrl-C lets running jobs end (20 s at most), the second ends at once;
no job is lost by either, nor by kill -9.

exit codes:
  0    stopped by a signal; for check: everything works
  1    for check: it works, with something to look at
  2    it cannot start: a setting, port, folder, database or model; for check: it cannot work
  70   a bug in dfedge; --debug shows where

examples:
  dfedge serve
  dfedge serve --host 0.0.0.0 --port 9000 --data-dir /srv/dfedge
  dfedge serve worker --config /etc/dfedge.toml
  dfedge serve check --json
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "serve",
        help="run the escalation server",
        usage="dfedge serve [options] [api | worker | check]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    parser.add_argument(
        "what",
        nargs="?",
        choices=("all", "api", "worker", "check"),
        default="all",
        metavar="api | worker | check",
        help="what to run (default: API and worker)",
    )
    group = parser.add_argument_group("settings")
    group.add_argument("--host", metavar="ADDRESS", help="listen there (default: 127.0.0.1)")
    group.add_argument(
        "--port",
        type=_port,
        metavar="N",
        help="port to listen on; 0 takes a free one (default: 8000)",
    )
    config = group.add_argument(
        "--config", type=Path, metavar="FILE", help="settings file, TOML (default: none)"
    )
    names_a_file(config)
    folder = group.add_argument(
        "--data-dir",
        type=Path,
        metavar="FOLDER",
        help="where database and media lie unless told to lie elsewhere (default: the user's "
        "data folder)",
    )
    names_a_file(folder)
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="for check: print one JSON object")
    add_general_options(parser)
    parser.set_defaults(handler=_run, extra="server")


def _run(args: argparse.Namespace) -> int:
    from dfedge_server import process

    settings = _settings(args)
    if args.what == "check":
        return _check(settings, as_json=args.json)
    run = {"all": process.run_both, "api": process.run_api, "worker": process.run_worker}
    run[args.what](settings, _say)
    return Exit.DONE


def _settings(args: argparse.Namespace) -> Settings:
    from dfedge_server.settings import load_settings

    given = {"host": args.host, "port": args.port, "data_dir": args.data_dir}
    return load_settings(
        args.config, **{name: value for name, value in given.items() if value is not None}
    )


def _check(settings: Settings, *, as_json: bool) -> int:
    from dfedge_server.checking import check

    findings = check(settings)
    if as_json:
        sys.stdout.write(json.dumps(findings.as_json(), indent=2) + "\n")
    else:
        sys.stdout.write(findings.as_text())
    return findings.exit_code


def _say(line: str) -> None:
    print(line, flush=True)


def _port(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return number
