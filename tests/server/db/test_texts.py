"""What PostgreSQL cannot keep never reaches it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dfedge.escalation import wire


@pytest.mark.parametrize("kind", [wire.Text, wire.Note])
def test_texts_hold_anything_but_nul(kind: Any) -> None:
    """Line breaks, other scripts and controls are kept; NUL is refused."""
    for text in ("", "two\nlines", "日本語 🎭", "\x01\x7f"):
        assert text == msgspec.json.decode(msgspec.json.encode(text), type=kind)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'"a\\u0000b"', type=kind)


@pytest.mark.parametrize(
    "change", [{"url": "https://a/\x00"}, {"webhook": {"url": "https://\x00"}}]
)
def test_addresses_hold_no_nul(change: dict[str, Any]) -> None:
    """Nor do the addresses of a submission."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"kind": "url", "url": "https://a/", **change}, wire.Submission)
