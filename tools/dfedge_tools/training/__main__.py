"""``dfedge train`` for launchers that start a module.

torchrun --standalone --nproc-per-node 2 -m dfedge_tools.training RECIPE --data STORE --out DIR
"""

from __future__ import annotations

import sys

from dfedge.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["train", *sys.argv[1:]]))
