"""Exit codes of the command, and their words for ``--help``."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What the process ends with."""

    DONE = 0
    FAIL_ON = 1
    USAGE = 2
    UNREADABLE = 3
    BUG = 70
    INTERRUPTED = 130
    BROKEN_PIPE = 141


EXIT_HELP = """\
exit codes:
  0    done: every input has a verdict, whatever it is
  1    --fail-on was met by at least one input
  2    nothing was done: wrong usage, or a model, device or output file that cannot be used
  3    some inputs could not be read; they are listed on stderr, the others are done
  70   a bug in dfedge; --debug shows where
  130  stopped by Ctrl-C
  141  the reader of the output went away
When 1 and 3 both hold the code is 1: what was found counts more than what could not be looked at.
"""
