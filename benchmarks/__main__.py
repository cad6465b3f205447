"""Run every benchmark, one after the other."""

from __future__ import annotations

import sys

from benchmarks import memory, pipeline, runtimes, server_heavy, startup, web


def main() -> None:
    """Run all, each under a heading."""
    sys.argv = sys.argv[:1]  # the benchmarks read their own options
    for module in (startup, pipeline, memory, runtimes, web, server_heavy):
        assert module.__doc__
        print(f"\n# {module.__doc__.splitlines()[0]}\n", flush=True)
        module.main()


if __name__ == "__main__":
    main()
