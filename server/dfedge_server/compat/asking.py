"""Asking for a verdict and waiting for it, as the older endpoints do: in one request.

What is asked is an escalation like any other: durable, and computed once for the same bytes. Who
runs out of patience finds it under ``/v1/escalations``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from litestar import Request

from dfedge.escalation.wire import Escalation, Problem, State, Submission
from dfedge_server.compat import threshold
from dfedge_server.escalations import service
from dfedge_server.escalations.uploads import StoredPart
from dfedge_server.escalations.views import base_url
from dfedge_server.problems import PROBLEMS, ProblemError
from dfedge_server.security.principal import Principal
from dfedge_server.services import Services
from dfedge_server.telemetry.tracing import current_traceparent


@dataclass(frozen=True, slots=True)
class Asker:
    """One request of an older endpoint."""

    services: Services
    principal: Principal
    base_url: str
    deadline: float

    @classmethod
    def of(cls, request: Request[Principal, Any, Any]) -> Asker:
        """The caller of a request, whose patience begins now."""
        services: Services = request.app.state.services
        settings = services.settings
        deadline = time.monotonic() + settings.max_wait_seconds
        return cls(services, request.user, base_url(request, settings), deadline)

    async def ask(
        self,
        submission: Submission,
        media: Mapping[str, StoredPart],
        *,
        idempotency_key: str | None = None,
    ) -> UUID:
        """Hand it in; from here on it will be done."""
        return await service.submit(
            self.services,
            self.principal,
            submission,
            media,
            idempotency_key=idempotency_key,
            traceparent=current_traceparent(),
        )

    async def final(self, escalation_id: UUID) -> Escalation:
        """The escalation once it has ended, done or failed.

        Raises:
            ProblemError: it has not ended in time, or was cancelled or deleted meanwhile.
        """
        patience = max(0.0, self.deadline - time.monotonic())
        ended = await service.wait_until_final(self.services, escalation_id, patience)
        told = await service.look(
            self.services, self.principal, escalation_id, base_url=self.base_url
        )
        if not ended:
            raise ProblemError(
                "still_working",
                f"The verdict is not there yet ({told.state}, {told.stage.name}); the work goes "
                f"on: look at {told.href}.",
                headers={"Location": told.href, "Retry-After": "5"},
            )
        if told.state is State.CANCELLED:
            raise ProblemError("not_found", "The escalation was cancelled meanwhile.")
        return told

    async def done(self, escalation_id: UUID) -> Escalation:
        """The same, where a failure is an error of the whole request."""
        told = await self.final(escalation_id)
        if told.state is not State.DONE:
            raise failure(told)
        return told

    async def threshold(self) -> float | None:
        """The administrator's."""
        async with self.services.db.reading() as session:
            return await threshold.read(session)


def problem_of(failed: Escalation) -> Problem:
    """Why it failed."""
    assert failed.problem is not None, "what fails has a reason"
    return failed.problem


def failure(failed: Escalation) -> ProblemError:
    """Why it failed, as the answer."""
    problem = problem_of(failed)
    return ProblemError(problem.code if problem.code in PROBLEMS else "unavailable", problem.detail)
