"""Structured logs: one JSON object a line, redacted before anything else looks at it.

Deny by default: a field is written only when its name is listed here and its value is a plain scalar, so that a
new field cannot leak a guest's data or a secret by accident.
"""

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from enum import Enum
from pathlib import Path
from typing import Any

import orjson
import structlog

LOGGABLE = frozenset(
    {
        "action", "attempt", "attempts", "bytes", "capability", "check", "client", "code", "correlation_id",
        "count", "deadline_s", "dead_letter_id", "duration_ms", "endpoint", "error", "error_type", "event",
        "from_state", "hotel_id", "host", "kind", "level", "logger", "method", "migrations", "ms", "name",
        "operation", "operation_id", "outcome", "path", "pid", "port", "reason", "resource", "retry_in_s",
        "route", "severity", "source", "stack", "state", "status", "step", "timestamp", "to_state", "vendor",
        "vendor_code", "vendor_request_id", "vendors", "version", "wait_s", "workers",
    }
)  # fmt: skip
"""Names that may be written. None of them is ever given a guest's data."""

_QUERY = re.compile(r"\?\S*")
_LONGEST = 500
_OURS = str(Path(__file__).parents[1])
_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
_CONSTANT = frozenset({"uvicorn", "uvicorn.error"})
"""Loggers whose messages without arguments hold nothing but constants and process ids (uvicorn 0.54, its source)."""


def redact(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep only listed names with scalar values; name what was left out, never its value."""
    kept: dict[str, Any] = {}
    hidden = []
    for name, value in event.items():
        if name not in LOGGABLE or not _is_plain(value):
            hidden.append(name)
        else:
            kept[name] = _told(value) if isinstance(value, str) else value
    if hidden:
        kept["redacted"] = sorted(hidden)
    return kept


def _told(text: str) -> str:
    """Give a text as it may stand in a line: without a query, not long, and with nothing that a terminal acts upon."""
    short = _QUERY.sub("?…", text)[:_LONGEST]
    if short.isprintable():
        return short
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in short)


def _is_plain(value: object) -> bool:
    # A kind of str that is not str itself may be text that masks itself, such as a guest's name.
    return value is None or isinstance(value, Enum) or type(value) in {str, int, float, bool}


def describe_exception(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Turn `exc_info` into the type and the places; messages may quote what was being handled."""
    info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        frames = _telling(traceback.extract_tb(error.__traceback__))
        event["error_type"] = type(error).__qualname__
        event["stack"] = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames))
    return event


def _telling(frames: list[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """Give our own places, the last seven, and the innermost one: libraries are deep."""
    return [frame for frame in frames[:-1] if frame.filename.startswith(_OURS)][-7:] + frames[-1:]


def configure(level: str) -> None:
    """Send all logs of the process, our own and the libraries', to standard output as redacted JSON."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            describe_exception,
            structlog.processors.add_log_level,
            redact,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = LibraryHandler()
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).setLevel(number)


class LibraryHandler(logging.Handler):
    """Passes records of libraries on by their name and template.

    A message that was filled in before it came here may quote data and is left out, unless its library is one
    that only says constant sentences.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        log = structlog.get_logger()
        error = record.exc_info[1] if record.exc_info else None
        level = max((known for known in _LEVELS if known <= record.levelno), default=logging.DEBUG)
        log.log(level, "library.message", logger=record.name, reason=_template(record), exc_info=error)


def _template(record: logging.LogRecord) -> str | None:
    is_constant = bool(record.args) or record.name in _CONSTANT
    return record.msg if is_constant and isinstance(record.msg, str) and "\n" not in record.msg else None
