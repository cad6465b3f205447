"""A server that is told secrets in every way must write none of them down."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from ..serving import serving

SECRET = "hunter2"


def test_no_log_holds_what_clients_sent(tmp_path: Path) -> None:
    """Keys, bodies, file names, addresses with logins and queries, headers, cookies: at the most
    talkative level, for requests that succeed, fail or are none."""
    with serving(
        tmp_path, log_level="debug", fetch_seconds=2.0, allow_private_addresses=True
    ) as server:
        key = server.key(name="desk")
        with httpx.Client(base_url=server.url, headers=key.headers, timeout=60.0) as client:
            _send_secrets(client, server.settings.port)
        stopped = server.stop()
    log = server.log.read_text(errors="replace")
    assert 0 == stopped, log
    assert "/detect" in log
    secrets = [SECRET, key.secret, key.secret.rsplit("_", 1)[-1]]
    lines = [line for line in log.splitlines() if any(secret in line for secret in secrets)]
    assert [] == lines
    _hold_form(log)


def _send_secrets(client: httpx.Client, port: int) -> None:
    address = f"http://ann:{SECRET}@127.0.0.1:9/{SECRET}/clip-{SECRET}.mp4?token={SECRET}#{SECRET}"
    text = {"Content-Type": "text/plain"}
    file = (f"{SECRET}.png", b"\x89PNG\r\n\x1a\n" + SECRET.encode() * 100)
    manifest = {
        "kind": "url",
        "url": address,
        "name": f"name {SECRET}",
        "webhook": {"url": f"http://bob:{SECRET}@127.0.0.1:9/{SECRET}?{SECRET}"},
    }
    wait = {"Prefer": "wait=20", "Idempotency-Key": f"key-{SECRET}"}
    requests = [
        client.build_request("GET", f"/{SECRET}?key={SECRET}"),
        client.build_request("GET", f"/v1/escalations/{SECRET}?cursor={SECRET}"),
        client.build_request("GET", "/v1/models", headers={"Cookie": f"session={SECRET}"}),
        client.build_request("GET", "/v1/models", headers={"X-API-Key": f"dfe_00000000_{SECRET}"}),
        client.build_request("GET", "/v1/models", headers={"Authorization": f"Basic {SECRET}"}),
        client.build_request("POST", "/predict", json={"file_path": address}),
        client.build_request("POST", "/predict", json={"file_path": SECRET, SECRET: SECRET}),
        client.build_request("POST", "/predict", content=SECRET * 10_000, headers=text),
        client.build_request("POST", "/detect", files={"file": file}),
        client.build_request("POST", "/detect", files={SECRET: file}),
        client.build_request("POST", "/detect/batch", files=[("files", file)] * 2),
        client.build_request("POST", "/v1/escalations", json=manifest, headers=wait),
        client.build_request("POST", "/v1/escalations", json=manifest | {SECRET: SECRET}),
        client.build_request("POST", "/v1/batches", json={"items": [manifest]}),
        client.build_request("POST", "/admin/threshold", json={"threshold": SECRET}),
        client.build_request("DELETE", f"/v1/{SECRET}"),
    ]
    for request in requests:
        assert client.send(request).status_code < 500


def _hold_form(log: str) -> None:
    """Lines of the log are JSON; those of a request have what an operator needs."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    told = [line for line in lines if line["event"] == "request" and line["route"] == "/detect"]
    assert told
    for line in told:
        assert line["request_id"]
        assert ("POST", "newsroom") == (line["method"], line["tenant"])
        assert line["milliseconds"] > 0
