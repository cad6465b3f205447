"""The signed model for browsers: its exact bytes, to whoever may escalate, and no other file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from tests.server.conftest import with_settings
from tests.server.escalations.conftest import Api, api, running

from dfedge.bundles.web import MANIFEST_NAME, SIGNATURE_NAME
from dfedge_server.security.principal import Scope
from dfedge_server.settings import Settings

pytest.importorskip("cryptography", reason="needs the extra 'tools'")

from dfedge.bundles.store import resolve_detector
from dfedge_tools.signing.keys import make_key
from dfedge_tools.signing.web_bundle import sign_bundle

pytestmark = pytest.mark.anyio

__all__ = ["api"]
"""A fixture of the neighbours' that is used here."""


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle that ships, signed."""
    folder = tmp_path_factory.mktemp("signed")
    key = make_key(folder / "key")
    sign_bundle(*resolve_detector("dfedge-efficientnet-b0-int8"), key, folder / "bundle")
    return folder / "bundle"


@pytest.fixture
def api_changes(signed: Path) -> dict[str, Any]:
    """The server hands it out."""
    return {"web_bundle": signed}


async def test_what_is_signed_is_handed_out_byte_by_byte(api: Api, signed: Path) -> None:
    """Manifest, signature and every file are those of the folder."""
    told = (await api.ask("GET", "/v1/web-bundle")).json()
    assert (signed / MANIFEST_NAME).read_bytes() == told["manifest"].encode()
    assert (signed / SIGNATURE_NAME).read_text().strip() == told["signature"]
    for name in ("card.json", "model.onnx", "preprocess.onnx"):
        answer = await api.ask("GET", f"/v1/web-bundle/files/{name}")
        assert (200, str(len(answer.content))) == (
            answer.status_code,
            answer.headers["content-length"],
        )
        assert (signed / name).read_bytes() == answer.content
        assert f'"{hashlib.sha256(answer.content).hexdigest()}"' == answer.headers["etag"]


@pytest.mark.parametrize("path", ["", "/files/card.json"])
async def test_who_has_it_is_told_so(api: Api, path: str) -> None:
    """304 for the ETag that was given, also a weak one among others."""
    first = await api.ask("GET", f"/v1/web-bundle{path}")
    known = {"If-None-Match": f'"other", W/{first.headers["etag"]}'}
    again = await api.ask("GET", f"/v1/web-bundle{path}", headers=known)
    assert (304, b"") == (again.status_code, again.content)
    assert first.headers["etag"] == again.headers["etag"]
    other = await api.ask("GET", f"/v1/web-bundle{path}", headers={"If-None-Match": '"other"'})
    assert (200, first.content) == (other.status_code, other.content)


@pytest.mark.parametrize("path", ["", "/files/card.json"])
async def test_a_key_that_may_escalate_is_needed(api: Api, path: str) -> None:
    """401 without a key, 403 with one that may only read."""
    nobody = await api.client.get(f"/v1/web-bundle{path}")
    assert (401, "key_missing") == (nobody.status_code, nobody.json()["code"])
    for scope, status in ((Scope.READ, 403), (Scope.ESCALATE, 200)):
        key = api.make_key(scope, settings=api.services.settings)
        answer = await api.ask("GET", f"/v1/web-bundle{path}", headers=key.headers)
        assert status == answer.status_code


@pytest.mark.parametrize("name", ["web-bundle.sig", "..%2Fkey", "card.json%00", "CARD.JSON"])
async def test_no_other_file_is_handed_out(api: Api, name: str) -> None:
    """What the manifest does not name is not there, whatever lies in the folder or beside it."""
    answer = await api.ask("GET", f"/v1/web-bundle/files/{name}")
    assert answer.status_code in (404, 422)


@pytest.mark.parametrize("changes", [{}, {"web_bundle": "empty"}])
async def test_without_a_bundle_there_is_none(
    settings: Settings, make_key: Any, changes: dict[str, str], tmp_path: Path
) -> None:
    """404 where the operator names none; 503 where there is nothing at that place."""
    named = {name: tmp_path / value for name, value in changes.items()}
    async with running(with_settings(settings, **named), make_key) as opened:
        answer = await opened.ask("GET", "/v1/web-bundle")
    expected = (503, "unavailable") if changes else (404, "not_found")
    assert expected == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("name", ["model.onnx", MANIFEST_NAME])
async def test_a_broken_folder_gives_nothing(
    settings: Settings, make_key: Any, signed: Path, tmp_path: Path, name: str
) -> None:
    """503 for a file that is not of the size that was signed, or a manifest that is none."""
    for file in signed.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_bytes(b"{}")
    async with running(with_settings(settings, web_bundle=tmp_path), make_key) as opened:
        answer = await opened.ask("GET", "/v1/web-bundle/files/model.onnx")
    assert (503, "unavailable") == (answer.status_code, answer.json()["code"])
