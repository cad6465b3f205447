"""A newer model from the user's server: taken when all is right, else refused with the reason."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.server.conftest import StartServer, live_server, settings

from dfedge.bundles.store import DEFAULT_MODEL, resolve
from dfedge.bundles.web import MANIFEST_NAME, SIGNATURE_NAME
from dfedge.cli import main
from dfedge_server.security.principal import Scope
from dfedge_tools.signing.keys import make_key, public_text, read_key

__all__ = ["live_server", "settings"]
"""Fixtures of the server's tests that are used here."""

SHIPPED = resolve(DEFAULT_MODEL, verify=False).card.version

Publish = Callable[..., None]

ASK = """([type]) => new Promise((answer, problem) => {
    chrome.runtime.sendMessage({keeping: 'wake', request: {}}).then(() => {
        const port = chrome.runtime.connect({name: 'judge'});
        const progress = [];
        port.onMessage.addListener((reply) => {
            if ('progress' in reply) progress.push(reply.progress);
            else if ('problem' in reply) problem(new Error(reply.problem.code));
            else answer({...reply.answer, progress});
        });
        port.postMessage({id: 0, type, request: {}});
    });
})"""
CHOOSE = """([serverUrl, serverKey, modelKey]) => chrome.storage.local.set({
    serverKey,
    settings: {
        enabled: true, sitesOff: [], mode: 'automatic', sensitivity: 'standard', loadAgain: false,
        history: true, serverUrl, consentedAt: null, escalateUnasked: false, modelKey,
    },
})"""
RESTART = "() => chrome.offscreen.closeDocument().catch(() => undefined)"
FORGET = """async () => {
    const root = await navigator.storage.getDirectory();
    await root.removeEntry('models', {recursive: true}).catch(() => undefined);
}"""
DAMAGE = """async () => {
    const root = await navigator.storage.getDirectory();
    const models = await root.getDirectoryHandle('models');
    const state = await models.getDirectoryHandle('state');
    const text = await (await (await state.getFileHandle('state.json')).getFile()).text();
    const folder = await models.getDirectoryHandle(JSON.parse(text).current);
    const file = await (await folder.getFileHandle('file-model.onnx')).createWritable();
    await file.write('half');
    await file.close();
}"""
FOLDERS = """async () => {
    const root = await navigator.storage.getDirectory();
    const names = [];
    for await (const name of (await root.getDirectoryHandle('models')).keys()) names.push(name);
    return names;
}"""


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The private key that the user's newsroom signs with."""
    path = tmp_path_factory.mktemp("key") / "private.pem"
    make_key(path)
    return path


@pytest.fixture(scope="module")
def signing(key: Path) -> Ed25519PrivateKey:
    """The same, to sign other things with."""
    return read_key(key)


@pytest.fixture(scope="module")
def own(browser: Any) -> str:
    """The address of the extension's own pages."""
    # Its background sleeps after half a minute, and then there is nothing to learn it from.
    worker = browser.service_workers or [browser.wait_for_event("serviceworker")]
    return f"chrome-extension://{worker[0].url.split('/')[2]}"


@pytest.fixture
def publish(tmp_path: Path, key: Path) -> Publish:
    """Puts the bundle that ships, as another version, where the server hands it out."""

    def publish(version: str) -> None:
        bundle = resolve(DEFAULT_MODEL)
        copy = tmp_path / f"bundle-{version}"
        copy.mkdir()
        card = msgspec.json.decode(bundle.card_json) | {"version": version}
        (copy / "card.json").write_bytes(msgspec.json.encode(card))
        for name, content in bundle.contents.items():
            (copy / name).write_bytes(content)
        out = str(tmp_path / "web-bundle")
        assert 0 == main(["sign", "bundle", str(copy), "--key", str(key), "--out", out])

    return publish


@pytest.fixture
def page(
    browser: Any, own: str, live_server: StartServer, tmp_path: Path, signing: Ed25519PrivateKey
) -> Iterator[Any]:
    """A page of the extension, where server and public key are set and nothing has been fetched."""
    server = live_server("api", ready=False, web_bundle=tmp_path / "web-bundle")
    page = browser.new_page()
    page.goto(f"{own}/manifest.json")
    page.evaluate(RESTART)
    page.evaluate(FORGET)
    secret = server.key(Scope.ESCALATE).secret
    page.evaluate(CHOOSE, [server.url, secret, public_text(signing)])
    yield page
    page.close()


def test_a_newer_model_is_fetched_tried_and_kept(page: Any, publish: Publish) -> None:
    """It runs after the update, and after a restart without the server being asked."""
    publish("0.2.0")
    state = page.evaluate(ASK, ["update_models"])
    assert (True, None, "0.2.0") == _told(state)
    assert state["progress"][-1]["done"] == state["progress"][-1]["total"]
    page.evaluate(RESTART)
    page.evaluate(CHOOSE, ["", "", ""])
    assert (True, None, "0.2.0") == _told(page.evaluate(ASK, ["models"]))


def test_the_server_has_nothing_newer(page: Any, publish: Publish) -> None:
    """The same that runs, and nothing at all, are no fault."""
    publish(SHIPPED)
    assert (False, None, SHIPPED) == _told(page.evaluate(ASK, ["update_models"]))


def test_an_older_model_is_refused(page: Any, publish: Publish) -> None:
    """Also when it was signed, and is newer than the one that ships."""
    publish("0.3.0")
    page.evaluate(ASK, ["update_models"])
    publish("0.2.0")
    assert (True, "not_newer", "0.3.0") == _told(page.evaluate(ASK, ["update_models"]))


def test_what_is_not_signed_is_refused(page: Any, publish: Publish, tmp_path: Path) -> None:
    """A manifest that was changed, or signed by somebody else."""
    publish("0.2.0")
    manifest = tmp_path / "web-bundle" / MANIFEST_NAME
    signed = manifest.read_bytes()
    manifest.write_bytes(signed.replace(b'"0.2.0"', b'"0.9.0"'))
    assert (False, "signature", SHIPPED) == _told(page.evaluate(ASK, ["update_models"]))
    manifest.write_bytes(signed)
    _sign(tmp_path, Ed25519PrivateKey.generate())
    assert (False, "signature", SHIPPED) == _told(page.evaluate(ASK, ["update_models"]))


def test_a_file_that_is_another_is_refused(page: Any, publish: Publish, tmp_path: Path) -> None:
    """One bit of the weights."""
    publish("0.2.0")
    model = tmp_path / "web-bundle" / "model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    assert (False, "damaged", SHIPPED) == _told(page.evaluate(ASK, ["update_models"]))
    publish("0.2.1")
    assert (True, None, "0.2.1") == _told(page.evaluate(ASK, ["update_models"]))


def test_a_model_that_gives_something_else_here_is_rolled_back(
    page: Any, publish: Publish, tmp_path: Path, signing: Ed25519PrivateKey
) -> None:
    """The one before runs on, now and after a restart; nothing of the other is kept."""
    publish("0.2.0")
    page.evaluate(ASK, ["update_models"])
    before = page.evaluate(FOLDERS)
    publish("0.3.0")
    manifest = tmp_path / "web-bundle" / MANIFEST_NAME
    told = msgspec.json.decode(manifest.read_bytes())
    told["self_test"]["logit"] += 0.5
    manifest.write_bytes(msgspec.json.encode(told))
    _sign(tmp_path, signing)
    for what in ("update_models", "models"):
        assert (True, "self_test", "0.2.0") == _told(page.evaluate(ASK, [what]))
        page.evaluate(RESTART)
    assert sorted(before) == sorted(page.evaluate(FOLDERS))


def test_a_model_that_was_damaged_gives_way_to_the_one_before(page: Any, publish: Publish) -> None:
    """At the next start; and when that is damaged too, to the one that ships."""
    for version in ("0.2.0", "0.3.0"):
        publish(version)
        page.evaluate(ASK, ["update_models"])
    for version in ("0.2.0", SHIPPED):
        page.evaluate(DAMAGE)
        page.evaluate(RESTART)
        told = _told(page.evaluate(ASK, ["models"]))
        assert (version != SHIPPED, "damaged", version) == told


def test_without_the_key_nothing_is_trusted(page: Any, publish: Publish) -> None:
    """What it signed is thrown away, and the one that ships runs."""
    publish("0.2.0")
    page.evaluate(ASK, ["update_models"])
    page.evaluate(CHOOSE, ["", "", ""])
    assert (False, None, SHIPPED) == _told(page.evaluate(ASK, ["update_models"]))
    assert ["state"] == page.evaluate(FOLDERS)


def test_a_server_that_refuses_changes_nothing(page: Any, publish: Publish) -> None:
    """The problem is told as such."""
    publish("0.2.0")
    page.evaluate("() => chrome.storage.local.set({serverKey: 'dfe_wrong'})")
    with pytest.raises(Exception, match="key_refused"):
        page.evaluate(ASK, ["update_models"])
    assert (False, None, SHIPPED) == _told(page.evaluate(ASK, ["models"]))


def _told(state: dict[str, Any]) -> tuple[bool, str | None, str]:
    """Whether the detector is the server's, why a newer one is not used, and its version."""
    edge = next(model for model in state["models"] if model["role"] == "edge")
    return state["delivered"], state["rejected"], edge["version"]


def _sign(folder: Path, key: Ed25519PrivateKey) -> None:
    """Sign the manifest in the folder as it is now."""
    place = folder / "web-bundle"
    signature = key.sign((place / MANIFEST_NAME).read_bytes())
    (place / SIGNATURE_NAME).write_bytes(base64.b64encode(signature))
