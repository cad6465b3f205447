"""A proxy that writes down whom a browser asks, whichever part of the browser it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP = {"connection", "proxy-connection", "keep-alive", "transfer-encoding"}
"""Headers that are about one connection."""


@dataclass(frozen=True)
class Asked:
    """A request that a browser made.

    Attributes:
        url: where to; of an encrypted connection its host and port.
        referer: the page that it was made for; empty where the browser says of none.
        destination: what is to become of the answer; "document" is a page that is opened.
    """

    url: str
    referer: str = ""
    destination: str = ""


@dataclass
class Proxy:
    """Lets requests for this machine pass, and no other.

    Attributes:
        port: where it listens.
        asked: all requests, in their order.
    """

    port: int = 0
    asked: list[Asked] = field(default_factory=list)

    def strange(self, *origins: str) -> list[Asked]:
        """All requests but those that pages of these origins make to them."""
        own = tuple(f"{origin}/" for origin in origins)
        return [
            asked
            for asked in self.asked
            if not asked.url.startswith(own)
            or not (asked.destination == "document" or asked.referer.startswith(own))
        ]


@contextmanager
def recording() -> Iterator[Proxy]:
    """A proxy, until the end of the block."""
    proxy = Proxy()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy))
    proxy.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            proxy.asked.append(Asked(self.path))
            self.send_error(502)

        def do_GET(self) -> None:
            proxy.asked.append(
                Asked(
                    self.path,
                    self.headers.get("Referer", ""),
                    self.headers.get("Sec-Fetch-Dest", ""),
                )
            )
            target = urlsplit(self.path)
            if target.hostname != "127.0.0.1":
                self.send_error(502)
                return
            onward = HTTPConnection("127.0.0.1", target.port or 80)
            path = self.path.removeprefix(f"{target.scheme}://{target.netloc}")
            headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP}
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            onward.request(self.command, path, body, headers)
            answer = onward.getresponse()
            content = answer.read()
            onward.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP | {"date", "server"}:
                    self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(content)
            except ConnectionError:
                return  # the browser has enough of it

        do_POST = do_PUT = do_HEAD = do_OPTIONS = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    return Handler
