"""Subcommands of ``dfedge`` that need the extra ``tools``.

Each module holds arguments and words only; what is heavy is imported by its handler.
"""
