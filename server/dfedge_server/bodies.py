"""Bodies of JSON as handlers get them: what Litestar lets through as an error is a problem."""

from __future__ import annotations

from typing import Any, Generic

from litestar import Request
from litestar.connection.base import AuthT, StateT, UserT

from dfedge_server.problems import ProblemError


class JsonRequest(Request[UserT, AuthT, StateT], Generic[UserT, AuthT, StateT]):
    """Litestar's request; JSON that is too deep or no UTF-8 is the client's fault, not ours."""

    async def json(self) -> Any:
        """The body, decoded.

        Raises:
            ProblemError: it is no JSON.
        """
        try:
            return await super().json()
        except (RecursionError, UnicodeDecodeError):
            raise ProblemError("malformed_request", "The body is not the JSON expected.") from None
