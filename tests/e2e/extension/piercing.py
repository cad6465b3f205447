"""What a person sees of closed shadow roots, which no script of a test reaches: by DevTools."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

SAYING = "data-saying"
TEXT_NODE = 3
SETTLED = ("suspicious", "leaning", "unsure", "real", "no_face", "cannot_check")
"""All that a badge says once it has looked."""


class Pierced:
    """All of a page, with closed shadow roots and the frames of its process.

    Args:
        page: of Playwright, in Chromium.
        host: name of the elements whose shadow roots are looked into.
    """

    def __init__(self, page: Any, host: str) -> None:
        self._page = page
        self._host = host
        self._devtools = page.context.new_cdp_session(page)

    def text(self) -> str:
        """All that is written in them, a line a piece."""
        return "\n".join(words for _, words in self._pieces())

    def wait(self, words: str, seconds: float) -> None:
        """Until that is written there."""
        end = time.monotonic() + seconds
        while words not in (text := self.text()):
            assert time.monotonic() < end, f"{words!r} did not come:\n{text}"
            time.sleep(0.2)

    def sayings(self) -> list[str]:
        """What each badge says, or the panel."""
        all_attributes = map(_attributes, self._elements())
        return [attributes[SAYING] for attributes in all_attributes if SAYING in attributes]

    def wait_saying(self, *sayings: str, seconds: float) -> str:
        """Until one of these is said; which it is."""
        end = time.monotonic() + seconds
        while True:
            now = self.sayings()
            for saying in sayings:
                if saying in now:
                    return saying
            assert time.monotonic() < end, f"none of {sayings} is said, but {now}"
            time.sleep(0.2)

    def hear(self) -> list[str]:
        """What is said now; each change is added as it comes, and each host that is put in."""
        heard = self.sayings()

        def changed(event: dict[str, Any]) -> None:
            if event["name"] == SAYING:
                heard.append(event["value"])

        def inserted(event: dict[str, Any]) -> None:
            if event["node"]["nodeName"].lower() == self._host:
                heard.append(f"one more {self._host}")

        self._devtools.on("DOM.attributeModified", changed)
        self._devtools.on("DOM.childNodeInserted", inserted)
        return heard

    def close(self) -> None:
        """Look no more, so that the browser need not tell of changes."""
        self._devtools.detach()

    def click(self, words: str) -> None:
        """Click in the middle of the element that holds exactly these words."""
        found = [node for node, written in self._pieces() if written.strip() == words]
        assert found, f"{words!r} is not there:\n{self.text()}"
        self._devtools.send("DOM.scrollIntoViewIfNeeded", {"backendNodeId": found[0]})
        quads = self._devtools.send("DOM.getContentQuads", {"backendNodeId": found[0]})["quads"]
        corners = quads[0]
        self._page.mouse.click(sum(corners[::2]) / 4, sum(corners[1::2]) / 4)

    def box(self, name: str) -> tuple[float, float, float, float] | None:
        """Left, top, right and bottom of the first element of a name; None where it is not seen."""
        for element in self._elements():
            if element["nodeName"].lower() != name:
                continue
            number = {"backendNodeId": element["backendNodeId"]}
            quads = self._devtools.send("DOM.getContentQuads", number)["quads"]
            if quads:
                xs, ys = quads[0][::2], quads[0][1::2]
                return min(xs), min(ys), max(xs), max(ys)
        return None

    def attributes(self, name: str) -> list[dict[str, str]]:
        """Those of each element of a name."""
        found = []
        for element in self._elements():
            if element["nodeName"].lower() == name:
                found.append(_attributes(element))
        return found

    def _pieces(self) -> Iterator[tuple[int, str]]:
        """Each piece of text with the DevTools number of its element."""
        for element in self._elements():
            for child in element.get("children", []):
                if child["nodeType"] == TEXT_NODE:
                    yield element["backendNodeId"], child["nodeValue"]

    def _elements(self) -> Iterator[dict[str, Any]]:
        root = self._devtools.send("DOM.getDocument", {"depth": -1, "pierce": True})["root"]
        for host in _below(root):
            if host["nodeName"].lower() == self._host:
                yield from _below(host)


def _attributes(element: dict[str, Any]) -> dict[str, str]:
    flat = element.get("attributes", [])
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _below(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    framed = [node["contentDocument"]] if "contentDocument" in node else []
    for child in [*node.get("shadowRoots", []), *framed, *node.get("children", [])]:
        yield from _below(child)
