"""Logging: structlog and the standard library's loggers through one formatter on standard error.

Third-party libraries log through the standard library and come out in the same shape. What must never be
in a log (passwords, tokens, SDP, chat text, query strings) is kept out where the log call is made.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import Processor

from signalling.settings import LogSettings

_QUIET_LIBRARIES = ("aiosqlite", "alembic", "asyncio", "engineio", "socketio", "sqlalchemy")
"""Libraries whose INFO is noise to an operator."""


def configure_logging(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Set up logging for this process; calling it again replaces the former set-up."""
    stream = sys.stderr if stream is None else stream
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    as_json = settings.format == "json" or (settings.format == "auto" and not stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        shared.append(structlog.processors.format_exc_info)
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.getLogger("aiohttp.server").filters = [_quiet_about_bad_requests]
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _quiet_about_bad_requests(record: logging.LogRecord) -> bool:
    """aiohttp logs bytes that are no HTTP request as an error of ours, with a traceback and the bytes.

    They are the sender's fault, and may hold a key or a token: one line without them is what remains.
    """
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.msg, record.args, record.exc_info = "bad_http_request", (), None
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True
