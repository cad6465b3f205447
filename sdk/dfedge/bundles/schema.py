"""The JSON Schemas of cards and verdicts, generated from their types.

``python -m dfedge.bundles.schema --write`` writes them beside the types; without ``--write`` it
says whether those files are current (exit code 1 when not).
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from dfedge.bundles.card import CARD_SCHEMA, DetectorCard, FaceDetectorCard
from dfedge.verdict import VERDICT_SCHEMA, Verdict

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_PACKAGE = Path(__file__).resolve().parent.parent
CARD_SCHEMA_PATH = _PACKAGE / "bundles" / "card.schema.json"
VERDICT_SCHEMA_PATH = _PACKAGE / "verdict.schema.json"


def card_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``card.json``."""
    return _document(DetectorCard | FaceDetectorCard, CARD_SCHEMA, "Card of a dfedge bundle")


def verdict_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a verdict."""
    return _document(Verdict, VERDICT_SCHEMA, "Verdict of dfedge on a source")


def _files() -> Mapping[Path, str]:
    schemas = {CARD_SCHEMA_PATH: card_schema(), VERDICT_SCHEMA_PATH: verdict_schema()}
    return MappingProxyType(
        {path: json.dumps(schema, indent=2) + "\n" for path, schema in schemas.items()}
    )


def _document(of: Any, identifier: str, title: str) -> dict[str, Any]:
    """The schema of a type as a document of its own.

    The version field has a default in Python, so msgspec leaves it out of what is required; in a
    file it must stand.
    """
    schema = msgspec.json.schema(of)
    for definition in schema["$defs"].values():
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
        if "schema" in definition.get("properties", {}):
            definition["required"] = ["schema", *definition["required"]]
    return {
        "$schema": _DIALECT,
        "$id": "urn:" + identifier.replace(".", ":").replace("/", ":"),
        "title": title,
        **schema,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Write the schema files, or say whether they are current."""
    parser = argparse.ArgumentParser(prog="python -m dfedge.bundles.schema", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the files")
    write = parser.parse_args(argv).write
    stale = []
    for path, text in _files().items():
        if write:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
    for path in stale:
        sys.stderr.write(f"{path} is not current; run python -m dfedge.bundles.schema --write\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
