"""One pipe for all that is logged, by us, uvicorn, DBOS and other libraries; on standard error.

JSON lines, or text on a terminal. A line has a time (UTC), a level, the logger, an event and,
within a request or a job, ``request_id`` or ``job_id``. Of a request: tenant, route, status,
milliseconds; never a body, a query, a key, a file name or an address.
"""

from __future__ import annotations

import logging
import sys
from typing import IO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from dfedge_server.settings import Settings
from dfedge_server.telemetry.redact import redact

_FIRST = ("timestamp", "level", "logger", "event", "request_id", "job_id")
_QUIET = {
    "uvicorn.access": logging.CRITICAL,  # its lines hold queries; ours are told by requests.py
    "uvicorn.error": logging.WARNING,
    "alembic": logging.WARNING,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "asyncio": logging.WARNING,
    "aiosqlite": logging.WARNING,
    "sqlalchemy.engine": logging.WARNING,
    "PIL": logging.WARNING,
    "opentelemetry": logging.WARNING,
    "urllib3": logging.WARNING,
}


def configure(settings: Settings, stream: IO[str] | None = None) -> None:
    """Lead all loggers of this process into one handler; may be called again."""
    out = sys.stderr if stream is None else stream
    as_text = settings.log_format == "text" or (settings.log_format == "auto" and out.isatty())
    level = getattr(logging, settings.log_level.upper())
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(_formatter(as_text, colors=as_text and out.isatty()))
    _attach(handler, level)


def _shared() -> list[Processor]:
    """What every line passes, of whichever logger."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _formatter(as_text: bool, *, colors: bool) -> logging.Formatter:
    renderer: Processor
    if as_text:
        # Never the traceback of rich, which prints local variables.
        renderer = structlog.dev.ConsoleRenderer(
            colors=colors, exception_formatter=structlog.dev.plain_traceback
        )
    else:
        renderer = structlog.processors.JSONRenderer()
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _redact_event,
            renderer,
        ],
    )


def _redact_event(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Also puts first what every line has."""
    ordered = {key: event[key] for key in _FIRST if key in event} | dict(event)
    return {key: redact(value) for key, value in ordered.items()}


def _attach(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in list(root.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # DBOS adds a handler of its own to a logger that has none.
    dbos = logging.getLogger("dbos")
    dbos.handlers[:] = [handler]
    dbos.propagate = False
    dbos.setLevel(max(level, logging.WARNING) if level > logging.DEBUG else level)
    for name, lowest in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, lowest))
    logging.captureWarnings(True)
