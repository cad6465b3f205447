"""A second opinion in Firefox, whose background page sleeps as soon as nothing reaches it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tests.server.conftest import StartServer, live_server, settings

from dfedge_server.security.principal import Scope

from .conftest import Origin
from .installed import until
from .marionette import Firefox
from .test_escalation import the_escalation, word
from .test_firefox import IDLE_SECONDS, PAGE, SAID, fake, firefox, proxy

__all__ = ["fake", "firefox", "live_server", "proxy", "settings"]
"""Fixtures of other tests that are used here."""

HOST = "return WebExtensionPolicy.getByID('dfedge@dfedge').mozExtensionHostname"
STATE = "return WebExtensionPolicy.getByID('dfedge@dfedge').extension.backgroundState"
CHOOSE = """const [serverKey, settings] = arguments;
    return browser.storage.local.set({serverKey, settings})"""
PRESS = """const [host, words] = arguments;
    const root = document.querySelector(host)?.openOrClosedShadowRoot;
    const buttons = [...(root?.querySelectorAll('button') ?? [])];
    const button = buttons.find((one) => !one.disabled && one.textContent.includes(words));
    button?.click();
    return button !== undefined"""

Start = Callable[..., Origin]


def test_the_background_stays_awake_while_the_server_works(
    firefox: Firefox, origin: Start, fake: Path, live_server: StartServer
) -> None:
    """Of a paused video nothing is forgotten while its panel is open, or its server is slow."""
    server = live_server("api", ready=False)
    consent = {"serverUrl": server.url, "consentedAt": "2026-11-21T00:00:00Z"}
    firefox.open(f"moz-extension://{firefox.run_in_browser(HOST)}/options.html")
    firefox.run(CHOOSE, server.key(Scope.ESCALATE).secret, consent)

    served = origin(files={"/clip": fake}, pages={"/": PAGE})
    firefox.open(f"{served.url}/")
    until(lambda: "suspicious" == firefox.run_piercing(SAID))
    firefox.run("document.querySelector('video').pause()")
    until(lambda: press(firefox, "dfedge-badge", "badge_suspicious"))
    time.sleep(3 * IDLE_SECONDS)
    assert "running" == firefox.run_in_browser(STATE)
    until(lambda: press(firefox, "dfedge-panel", "panel_ask"))
    with server.client() as client:
        the_escalation(client, "queued")
        time.sleep(3 * IDLE_SECONDS)
        assert "running" == firefox.run_in_browser(STATE)
        the_escalation(client, "queued")
        until(lambda: press(firefox, "dfedge-panel", "panel_cancel"))
        the_escalation(client, "cancelled")
    firefox.open("about:blank")
    until(lambda: "stopped" == firefox.run_in_browser(STATE))


def press(firefox: Firefox, host: str, words: str) -> bool:
    """Press the button that says it, if it is there."""
    return bool(firefox.run_piercing(PRESS, host, word(words)))
