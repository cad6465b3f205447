"""Firefox over Marionette, the protocol that it speaks without any other program.

A message is its length in bytes, a colon, and JSON: ``[0, id, command, parameters]`` to the
browser, ``[1, id, error, result]`` from it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

START_SECONDS = 60
QUIT_SECONDS = 30
SILENT = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.backup.enabled": False,
    "browser.region.network.url": "",
    "browser.safebrowsing.update.enabled": False,
    "browser.search.update": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "media.autoplay.default": 0,
    "media.gmp-manager.updateEnabled": False,
    "media.gmp-manager.url": "",
    "media.gmp-provider.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.enabled": False,
}
"""Preferences that keep the browser from errands of its own, and let videos play unasked."""


def through(port: int) -> dict[str, bool | int | str]:
    """Preferences that send all requests, those to this machine too, through a proxy on a port."""
    return {
        "network.proxy.type": 1,
        "network.proxy.http": "127.0.0.1",
        "network.proxy.http_port": port,
        "network.proxy.ssl": "127.0.0.1",
        "network.proxy.ssl_port": port,
        "network.proxy.allow_hijacking_localhost": True,
    }


class Firefox:
    """A Firefox without a window, with a profile of its own.

    Raises:
        RuntimeError: a command failed; with what the browser says of it.
    """

    def __init__(
        self, command: str, profile: Path, preferences: Mapping[str, bool | int | str] | None = None
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        lines = {"marionette.port": port, **SILENT, **(preferences or {})}
        (profile / "user.js").write_text(
            "".join(f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in lines.items())
        )
        self._process = subprocess.Popen(
            [
                command,
                "--headless",
                "--marionette",
                # What the browser itself knows of the extension is asked, too.
                "--remote-allow-system-access",
                "--no-remote",
                "--profile",
                str(profile),
            ],
            # Without it a release takes no other server for the browser's own settings.
            env={**os.environ, "MOZ_REMOTE_SETTINGS_DEVTOOLS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._socket = self._connect(port)
        self._stream = self._socket.makefile("rb")
        self._ids = itertools.count()
        self._read()  # its greeting
        self.ask("WebDriver:NewSession")

    def ask(self, command: str, **parameters: Any) -> Any:
        """Have a command done, and return its result."""
        number = next(self._ids)
        message = json.dumps([0, number, command, parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(message), message))
        _, _, error, result = self._read()
        if error is not None:
            raise RuntimeError(f"{command}: {error['message']}")
        return result

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns in the page; a promise is waited for."""
        return self.ask("WebDriver:ExecuteScript", script=script, args=arguments)["value"]

    def run_piercing(self, script: str, *arguments: Any) -> Any:
        """What a script returns in the page that may see into closed shadow roots."""
        answer = self.ask(
            "WebDriver:ExecuteScript", script=script, args=arguments, sandbox="system"
        )
        return answer["value"]

    def run_in_browser(self, script: str, *arguments: Any) -> Any:
        """What a script returns that may see all of the browser."""
        self.ask("Marionette:SetContext", value="chrome")
        try:
            return self.run(script, *arguments)
        finally:
            self.ask("Marionette:SetContext", value="content")

    def install(self, extension: Path) -> str:
        """Load an unpacked or zipped extension until the end of the session; returns its id."""
        added: str = self.ask("Addon:Install", path=str(extension), temporary=True)["value"]
        return added

    def open(self, url: str) -> None:
        """Load a page in the tab."""
        self.ask("WebDriver:Navigate", url=url)

    def quit(self) -> None:
        """End the browser, kindly if it can."""
        with contextlib.suppress(OSError, RuntimeError):
            self.ask("Marionette:Quit", flags=["eForceQuit"])
        self._stream.close()
        self._socket.close()
        try:
            self._process.wait(QUIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _connect(self, port: int) -> socket.socket:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port))
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self._process.kill()
                    self._process.wait()
                    raise
                time.sleep(0.2)

    def _read(self) -> Any:
        length = b""
        while (byte := self._stream.read(1)) != b":":
            if not byte:
                raise RuntimeError("the browser is gone")
            length += byte
        return json.loads(self._stream.read(int(length)))
