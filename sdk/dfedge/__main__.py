"""``python -m dfedge`` is the command ``dfedge``."""

from __future__ import annotations

import sys

from dfedge.cli import main

if __name__ == "__main__":
    sys.exit(main())
