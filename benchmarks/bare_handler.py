"""A Litestar application that answers with given bytes and does nothing else: the floor of an API.

``python -m benchmarks.bare_handler FOLDER PORT`` answers ``/N`` with ``FOLDER/N.json``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import uvicorn
from litestar import Litestar, Request, Response, get, post

BODIES: dict[int, bytes] = {}


@get("/{number:int}")
async def look(number: int) -> Response[bytes]:
    """The bytes."""
    return Response(BODIES[number], media_type="application/json")


@post("/{number:int}", status_code=200)
async def submit(request: Request[Any, Any, Any], number: int) -> Response[bytes]:
    """The bytes, once the body is read."""
    await request.body()
    return Response(BODIES[number], media_type="application/json")


def main() -> None:
    """Serve until killed, set up as ``dfedge serve`` sets uvicorn up."""
    BODIES.update({int(path.stem): path.read_bytes() for path in Path(sys.argv[1]).glob("*.json")})
    uvicorn.run(
        Litestar([look, submit], openapi_config=None),
        port=int(sys.argv[2]),
        log_config=None,
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
