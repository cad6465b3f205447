"""Keeps secrets out of what is logged, whoever wrote the line: the last net, not the only one.

Our own code does not log bodies, keys, file names or addresses in the first place; libraries and
the messages of their exceptions may.
"""

from __future__ import annotations

import re
from typing import Any

_KEY = re.compile(r"\bdfe_([A-Za-z0-9]{1,16})_[A-Za-z0-9_\-]+")
_ADDRESS = re.compile(
    r"\b([A-Za-z][A-Za-z0-9+.\-]{1,30}://)(?:[^\s/?#'\"<>]*@)?([^\s/?#'\"<>]*)[^\s'\"<>)]*"
)
_HEADER = re.compile(
    r"(?i)\b(authorization|x-api-key|cookie|set-cookie)(['\"]?\s*[:=,]\s*)[^\r\n]+"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=\-]{8,}")
_FIELD = re.compile(
    r"(?i)\b(password|passwd|secret|token|signature|api_?key|access_?key)(['\"]?\s*[:=]\s*)"
    r"(?:'[^']*'|\"[^\"]*\"|[^\s,;&)]+)"
)


def redact_text(text: str) -> str:
    """The text without keys, passwords, and all of addresses but scheme and host."""
    text = _KEY.sub(r"dfe_\1_...", text)
    text = _ADDRESS.sub(r"\1\2/...", text)
    text = _HEADER.sub(r"\1\2...", text)
    text = _BEARER.sub(r"\1 ...", text)
    return _FIELD.sub(r"\1\2...", text)


def redact(value: Any) -> Any:
    """The same for all text inside a value of a log line; what is no plain value becomes text."""
    if isinstance(value, str):
        return redact_text(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict):
        return {str(key): redact(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact(item) for item in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{len(value)} bytes"
    return redact_text(str(value))
