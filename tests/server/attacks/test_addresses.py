"""Addresses that a stranger sends must not lead into the server's own network."""

from __future__ import annotations

import pytest

from .conftest import Canary, Target

REFUSED = {"fetch_failed", "invalid_request"}

OWN_MACHINE = [
    "http://127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/",
    "HTTP://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://LocalHost:{port}/",
    "http://localhost.:{port}/",
    "http://127.1:{port}/",
    "http://127.0.1:{port}/",
    "http://127.255.255.254:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.0x0.0x0.0x1:{port}/",
    "http://0x7f.1:{port}/",
    "http://017700000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://0177.0.0.01:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0:{port}/",
    "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460:{port}/",
    "http://127\u30020\u30020\u30021:{port}/",
    "http://\u24dbocalhost:{port}/",
    "http://[::1]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[::ffff:0:127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[64:ff9b:1::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[2001:0:7f00:1::]:{port}/",
    "http://[::1%25lo]:{port}/",
    "http://[::1%lo]:{port}/",
]
INNER_NETWORK = [
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://198.18.0.1/",
    "http://192.0.0.192/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://240.0.0.1/",
    "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
    "http://169.254.169.254.:80/",
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://0251.0376.0251.0376/",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::a9fe:a9fe%eth0]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://100.100.100.200/latest/meta-data/",
]
DISGUISED = [
    "http://example.org@127.0.0.1:{port}/",
    "http://example.org:80@127.0.0.1:{port}/",
    "http://example.org%40127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@example.org/",
    "http://127.0.0.1:{port}?@example.org/",
    "http://127.0.0.1:{port}\\@example.org/",
    "http://example.org\\@127.0.0.1:{port}/",
    "http://a:b@c@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}/../../",
    "http://127.0.0.1%00.example.org:{port}/",
    "http://127.0.0.1\x00.example.org:{port}/",
    "http://127.0.0.1:{port}/\r\nX-Injected: 1",
    "http://127.0.0.1:{port}/%0d%0aX-Injected:%201",
    "http://127.0.0.1\r\n:{port}/",
    "http://127.0.0.1\t:{port}/",
    " http://127.0.0.1:{port}/",
    "http://127.0.0.1 :{port}/",
    "http:/127.0.0.1:{port}/",
    "http:127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "http://[127.0.0.1]:{port}/",
    "http://[::1:{port}/",
    "http://::1:{port}/",
    "http://127.0.0.1:0{port}/",
    "http://127.0.0.1:-1/",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:{port}:80/",
    "http://:{port}/",
    "http://./",
    "http://" + "a" * 300 + ".example/",
    "http://xn--a/",
]
OTHER_SCHEMES = [
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
    "/etc/passwd",
    "../../etc/passwd",
    "gopher://127.0.0.1:{port}/_GET%20/",
    "ftp://127.0.0.1:{port}/",
    "dict://127.0.0.1:{port}/info",
    "ldap://127.0.0.1:{port}/",
    "data:image/png;base64,iVBORw0KGgo=",
    "concat:http://127.0.0.1:{port}/|file:///etc/passwd",
    "rtmp://127.0.0.1:{port}/live",
    "rtsp://127.0.0.1:{port}/",
    "udp://127.0.0.1:{port}",
    "unix:///var/run/docker.sock",
    "jar:http://127.0.0.1:{port}!/",
    "javascript:alert(1)",
    "pipe:0",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
]


@pytest.mark.parametrize("address", OWN_MACHINE + INNER_NETWORK + DISGUISED + OTHER_SCHEMES)
def test_an_address_into_the_inside_is_refused(
    target: Target, canary: Canary, address: str
) -> None:
    """However it is written; nothing inside is connected to, and nothing it holds is told."""
    address = address.replace("{port}", str(canary.port))
    answer = target.client.post("/predict", json={"file_path": address})
    assert (422, True) == (answer.status_code, answer.json()["code"] in REFUSED), answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}/", "http://[::ffff:7f00:1]:{port}/"])
def test_a_webhook_into_the_inside_is_not_sent(
    target: Target, canary: Canary, address: str
) -> None:
    """The escalation ends, and who would be told of it is not connected to."""
    manifest = {
        "kind": "url",
        "url": "http://10.0.0.1/",
        "webhook": {"url": address.replace("{port}", str(canary.port))},
    }
    answer = target.client.post("/v1/escalations", json=manifest, headers={"Prefer": "wait=30"})
    assert (200, "failed") == (answer.status_code, answer.json()["state"]), answer.text


def test_a_batch_into_the_inside_is_refused_one_by_one(target: Target, canary: Canary) -> None:
    """Many addresses at once are checked like one."""
    items = [{"kind": "url", "url": f"http://127.0.0.{n}:{canary.port}/"} for n in range(1, 6)]
    answer = target.client.post("/v1/batches", json={"items": items})
    assert answer.status_code in (201, 202), answer.text
    for item in answer.json()["items"]:
        ended = target.client.get(f"/v1/escalations/{item['id']}", headers={"Prefer": "wait=30"})
        assert ("failed", "fetch_failed") == (
            ended.json()["state"],
            ended.json()["problem"]["code"],
        )
