"""Texts of strangers that analysts read: names, notes and searches are text, and nothing else."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator

import httpx
import pytest

from .conftest import Target
from .hostile import png

TEXTS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "<!--#exec cmd='id'-->",
    "javascript:alert(1)",
    "{{7777*7777}}",
    "{{config.__class__.__init__.__globals__}}",
    "{% include '/etc/passwd' %}",
    "${7777*7777}",
    "#{7777*7777}",
    "<%= 7777*7777 %>",
    "'; DROP TABLE escalation; --",
    "' OR '1'='1",
    "1; SELECT pg_sleep(30)",
    "%s%s%s%n",
    '=HYPERLINK("http://evil.example")',
    "../../../etc/passwd",
    "\u202egpj.exe",
    "\u200b\u200b",
    "A\u0301" * 90,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 20,
    "\r\nSet-Cookie: dfedge=evil",
    "a" * 200,
]


@pytest.fixture(scope="module")
def analyst(target: Target) -> Iterator[httpx.Client]:
    """Signed in to the pages."""
    with httpx.Client(
        base_url=target.server.url, headers={"Origin": target.server.url}, follow_redirects=True
    ) as client:
        answer = client.post(
            "/review/sign-in",
            data={"who": "<b>Ann</b>{{7777*7777}}", "key": target.key, "next": ""},
        )
        assert 200 == answer.status_code, answer.text
        yield client


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_name_is_shown_as_it_was_sent(target: Target, analyst: httpx.Client, text: str) -> None:
    """On the page of a verdict and in the inbox, letters that mean something to HTML escaped, no
    template or query carried out; overrides and feedback likewise."""
    manifest = json.dumps({"kind": "clip", "name": text})
    asked = target.client.post(
        "/v1/escalations",
        files=[
            ("manifest", ("", manifest, "application/json")),
            ("clip", ("", png(64, 64, rows=bytes(9) * 64))),
        ],
        headers={"Prefer": "wait=30"},
    )
    assert 200 == asked.status_code, asked.text
    own = f"/v1/escalations/{asked.json()['id']}"
    for path, body in (
        ("overrides", {"label": "FAKE", "note": text}),
        ("feedback", {"mistake": "correct", "note": text}),
    ):
        assert target.client.post(f"{own}/{path}", json=body).status_code in (200, 201, 204)
    assert text == target.client.get(own).json()["name"]
    for page in (f"/review/{asked.json()['id']}", "/review"):
        shown = analyst.get(page)
        assert 200 == shown.status_code, shown.text
        _hold_harmless(shown, text)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_a_search_is_only_a_search(analyst: httpx.Client, text: str) -> None:
    """Whatever is asked of the inbox, the sign-in or a page that is not there."""
    for path in ("/review", "/review/sign-in", "/review/nothing"):
        query = dict.fromkeys(("q", "label", "state", "cursor", "next", "tenant"), text)
        shown = analyst.get(path, params=query)
        assert shown.status_code < 500, shown.text
        _hold_harmless(shown, text)


def _hold_harmless(page: httpx.Response, text: str) -> None:
    assert text not in page.text or html.escape(text) == text
    assert "60481729" not in page.text.replace(text, "")
    assert "root:" not in page.text
    assert "<b>Ann</b>" not in page.text
    assert "evil" not in page.headers.get("Set-Cookie", "")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
