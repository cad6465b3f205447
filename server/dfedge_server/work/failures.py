"""What went wrong with a job: worth another try, or its end."""

from __future__ import annotations

from typing import Final

from obstore.exceptions import BaseError as StorageError

from dfedge.errors import DfedgeError, MediaError, MediaFetchError
from dfedge.escalation.wire import Problem
from dfedge_server.db.engine import AWAY
from dfedge_server.problems import problem_of

MOST_TRIES: Final = 6
"""Of one run of a job, 1, 2, 4, 8 and 16 seconds apart."""

_AWAY: Final = (*AWAY, StorageError, ConnectionError)


class TransientError(Exception):
    """The database, the storage or an address does not answer just now."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause
        super().__init__(type(cause).__name__)


def tries_for(error: Exception) -> int:
    """How often what fails so is tried in one run."""
    if isinstance(error, MediaFetchError):
        # Its message says whether that may help; fewer tries, for each may take fetch_seconds.
        return 3 if "try again" in error.problem else 1
    return MOST_TRIES if _is_away(error) else 1


def problem_for(error: Exception) -> Problem:
    """What is told of an error that ends a job."""
    if isinstance(error, DfedgeError):
        return problem_of(error)
    if isinstance(error, FileNotFoundError):
        return problem_of(MediaError("media", "is not in the storage any more; send it again"))
    if _is_away(error):
        return Problem(
            title="The server cannot do this now",
            status=503,
            detail="Its database or storage did not answer for some time; send it again.",
            code="unavailable",
        )
    return problem_of(DfedgeError())


def lost_worker(attempts: int) -> Problem:
    """What is told of a job that ends the processes that work at it."""
    return Problem(
        title="The job ended its worker",
        status=500,
        detail=f"It was begun {attempts} times, and each time its worker process ended before it "
        "did. The operator's logs tell more; memory that ran out is the usual cause.",
        code="worker_lost",
    )


def _is_away(error: Exception) -> bool:
    return isinstance(error, _AWAY) and not isinstance(error, FileNotFoundError)
