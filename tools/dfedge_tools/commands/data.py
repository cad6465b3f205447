"""``dfedge data``: from the files of a data set to packed crops that can be trained on."""

from __future__ import annotations

from dfedge.cli.options import HelpFormatter, Subparsers, add_general_options
from dfedge_tools.commands import data_lists, data_pictures, data_sheet, data_splits

_DESCRIPTION = """\
From the files of a data set to packed crops that can be trained on: list them in a
manifest, divide it by person and source video, check that nothing leaks, take frames of
the videos, cut the faces, pack them. Each step writes a manifest that the next one reads.
"""

_EPILOG = """\
examples:
  dfedge data manifest ffpp/ --out all.csv
  dfedge data split all.csv --out divided.csv
  dfedge data check divided.csv
  dfedge data extract divided.csv --out frames/
  dfedge data crops frames/ --out crops/ --kinds scene
  dfedge data check crops/scene/
  dfedge data pack crops/scene/ --out store/

dfedge data COMMAND --help tells more.
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the subcommand to the command line."""
    parser = subparsers.add_parser(
        "data",
        help="list, divide, check, extract, crop and pack training data",
        usage="dfedge data COMMAND [options]",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    add_general_options(parser)
    actions = parser.add_subparsers(
        title="commands", prog="dfedge data", metavar="COMMAND", required=True
    )
    data_lists.add_parsers(actions)
    data_splits.add_parsers(actions)
    data_pictures.add_parsers(actions)
    data_sheet.add_parsers(actions)
