"""Subcommands of ``dfedge`` that this package brings."""
