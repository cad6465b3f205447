"""What went wrong with a job: worth another try, or its end."""

from __future__ import annotations

from typing import Final

from obstore.exceptions import BaseError as StorageError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from dfedge.errors import DfedgeError, MediaError, MediaFetchError
from dfedge.escalation.wire import Problem
from dfedge_server.problems import problem_of

_COMES_BACK: Final = (DBAPIError, PoolTimeoutError, StorageError, ConnectionError)


class TransientError(Exception):
    """The database, the storage or an address does not answer just now."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause
        super().__init__(type(cause).__name__)


def is_transient(error: Exception) -> bool:
    """Whether the same may work in a while."""
    if isinstance(error, MediaFetchError):
        return "try again" in error.problem
    return isinstance(error, _COMES_BACK) and not isinstance(error, FileNotFoundError)


def problem_for(error: Exception) -> Problem:
    """What is told of an error that ends a job."""
    if isinstance(error, DfedgeError):
        return problem_of(error)
    if isinstance(error, FileNotFoundError):
        return problem_of(MediaError("media", "is not in the storage any more; send it again"))
    if is_transient(error):
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
