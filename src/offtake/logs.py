"""Logs: one JSON line per event on standard error."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logs(level: str) -> None:
    """Write events of ``level`` and above. Log records of libraries are written from warning up, without tracebacks."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_Forward()]
    root.setLevel(logging.WARNING)


class _Forward(logging.Handler):
    """Writes log records of libraries as events. Exceptions are named, not quoted: their texts may hold rows."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        error_class = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        structlog.get_logger("offtake.library").warning(
            "library",
            logger=record.name,
            level=record.levelname.lower(),
            message=str(record.msg),
            error_class=error_class,
        )
