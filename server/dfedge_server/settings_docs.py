"""Keep the table of settings in the documentation that of the settings themselves.

A page marks it with two comments, and this tool fills in what lies between::

    <!-- settings -->
    <!-- end of settings -->

``python -m dfedge_server.settings_docs docs/server.md`` rewrites the page; with ``--check`` it only
says whether the page is up to date (exit code 1 when not).
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from dfedge_server import settings as module
from dfedge_server.settings import Settings

_BLOCK = re.compile(r"<!-- settings -->\n.*?<!-- end of settings -->", flags=re.DOTALL)
_HEADING = re.compile(r"    # (?P<words>.+)")
_BYTES = 1024**2
_KINDS = {
    str: "text",
    Path: "folder",
    bool: "yes or no",
    int: "whole number",
    float: "number",
    SecretStr: "secret",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Rewrite or check the page."""
    parser = argparse.ArgumentParser(
        prog="python -m dfedge_server.settings_docs", description=__doc__
    )
    parser.add_argument("page", type=Path, metavar="PAGE")
    parser.add_argument("--check", action="store_true", help="change nothing")
    args = parser.parse_args(argv)
    text = args.page.read_text(encoding="utf-8")
    fresh = refresh(text)
    if fresh == text:
        return 0
    if args.check:
        sys.stderr.write(
            f"{args.page}: out of date; run python -m dfedge_server.settings_docs {args.page}\n"
        )
        return 1
    args.page.write_text(fresh, encoding="utf-8")
    return 0


def refresh(text: str) -> str:
    """The page with the table as the settings are now."""
    return _BLOCK.sub(lambda _: f"<!-- settings -->\n{table()}\n<!-- end of settings -->", text)


def table() -> str:
    """One table a group of settings, in Markdown."""
    groups: dict[str, list[str]] = {}
    for group, name, sentence in _described():
        field = Settings.model_fields[name]
        row = f"| `{name}` | {_kind(field.annotation)} | {_default(name, field)} | {sentence} |"
        groups.setdefault(group, []).append(row)
    head = "| setting | kind | default | what it is |\n|---|---|---|---|\n"
    return "\n\n".join(f"**{group}**\n\n{head}" + "\n".join(rows) for group, rows in groups.items())


def _described() -> list[tuple[str, str, str]]:
    """Group, name and sentence of each setting, in the order of the source.

    Raises:
        ValueError: a setting has no sentence.
    """
    source = inspect.getsource(module)
    lines = source.splitlines()
    body = next(
        node.body
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == Settings.__name__
    )
    described = []
    for node, following in zip(body, [*body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        sentence = _docstring(following)
        if sentence is None:
            raise ValueError(f"setting {node.target.id} has no docstring")
        group = next(
            match["words"]
            for line in reversed(lines[: node.lineno])
            if (match := _HEADING.fullmatch(line))
        )
        described.append((group, node.target.id, sentence))
    return described


def _docstring(node: ast.stmt | None) -> str | None:
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
        return None
    return " ".join(str(node.value.value).split())


def _kind(annotation: Any) -> str:
    if typing.get_origin(annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in typing.get_args(annotation))
    if typing.get_origin(annotation) is tuple:
        return "list"
    if typing.get_origin(annotation) is Annotated:
        return _kind(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return _kind(next(part for part in typing.get_args(annotation) if part is not type(None)))
    return _KINDS[annotation]


def _default(name: str, field: FieldInfo) -> str:
    """The default as one writes it; of the folder, where it is on Linux."""
    if name == "data_dir":
        return "`~/.local/share/dfedge-server`"
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value in (None, "", ()):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_bytes") and value % _BYTES == 0:
        return f"{value} ({value // _BYTES} MiB)"
    return f"`{value}`" if isinstance(value, str) else f"{value:g}"


if __name__ == "__main__":
    sys.exit(main())
