"""What the last net holds back."""

from __future__ import annotations

import pytest

from dfedge_server.telemetry.redact import redact, redact_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("key dfe_ab12cd34_S3cr3t-long_one is wrong", "key dfe_ab12cd34_... is wrong"),
        (
            "GET https://ann:pw@example.org:8443/a/b.mp4?sig=1#x failed",
            "GET https://example.org:8443/... failed",
        ),
        (
            "cannot reach postgresql+psycopg://u:pw@db/dfedge",
            "cannot reach postgresql+psycopg://db/...",
        ),
        ("http://u:p@ss@host.example/x", "http://host.example/..."),
        ("Authorization: Bearer abcdef0123456789", "Authorization: ..."),
        ("sent Bearer abcdef0123456789 twice", "sent Bearer ... twice"),
        ("password='open sesame', next", "password=..., next"),
        ("api_key=abc&frames=3", "api_key=...&frames=3"),
        ("nothing to hide: 12 frames", "nothing to hide: 12 frames"),
    ],
)
def test_secrets_in_text_are_held_back(text: str, expected: str) -> None:
    """Keys, logins, queries, paths and named secrets go; the rest of a line stays."""
    assert expected == redact_text(text)


def test_secrets_in_nested_values_are_held_back() -> None:
    """Values inside of lists and mappings are looked at, bytes are only counted."""
    value = {"a": ["https://u:p@h/x", 3, None, True], "b": b"raw", "c": ValueError("token=abc")}
    expected = {"a": ["https://h/...", 3, None, True], "b": "3 bytes", "c": "token=..."}
    assert expected == redact(value)
