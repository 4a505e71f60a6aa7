"""Logs: for people or for programs, each line with the request that it belongs to."""

from __future__ import annotations

import contextvars
import json
import logging
import re
import secrets
import threading
from collections import Counter
from datetime import datetime, timezone
from itertools import count

from aiohttp import web
from aiohttp.http import HttpProcessingError

from experiment_server.limits import LOG_REPEATS_INTERVAL_S, LOG_REPEATS_MAX
from experiment_server.participants.state import timestamp
from experiment_server.server.log_format import LogFormat

REQUEST_ID = "X-Request-ID"
"""The header that names a request, taken from who asks and given back to them."""

_NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)

# Requests without a name get one of their own: which process, and how many before it.
_PROCESS, _NUMBERS = secrets.token_hex(4), count()

current_request: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        line = {
            "time": timestamp(moment),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request := current_request.get():
            line["request_id"] = request
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class _Text(logging.Formatter):
    # Diagnostics and tracebacks go over several lines; what clients send is written as repr.
    def format(self, record: logging.LogRecord) -> str:
        request = current_request.get()
        text = super().format(record)
        return f"[{request}] {text}" if request else text


class Thinned(logging.Filter):
    """Lets so many lines of one kind through within a time, and then says how many were left out.

    Of one kind are those that are written by the same call: whatever clients do, and however
    often, the log grows slowly.
    """

    def __init__(self, lines: int, seconds: float) -> None:
        super().__init__()
        self._lines = lines
        self._seconds = seconds
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, int]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is to be written."""
        call = record.pathname, record.lineno
        with self._lock:
            self._counts[call] += 1
            count = self._counts[call]
        if count == 1:
            timer = threading.Timer(self._seconds, self._tell, (call, record))
            timer.daemon = True
            timer.start()
        return count <= self._lines

    def _tell(self, call: tuple[str, int], record: logging.LogRecord) -> None:
        with self._lock:
            more = self._counts.pop(call) - self._lines
        if more > 0:
            logging.getLogger(record.name).log(
                record.levelno,
                "%s more lines like %.200r were left out in %.0f seconds",
                more,
                record.msg,
                self._seconds,
            )


class _Malformed(logging.Filter):
    """Says in one line that a request was no HTTP: the library shows where it found out."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.msg, record.args = (
                "what a client sent is no HTTP request (%s)",
                (type(error).__name__,),
            )
        return True


def set_up(log_format: LogFormat) -> None:
    """Write logs to stderr."""
    handler = logging.StreamHandler()
    handler.addFilter(Thinned(LOG_REPEATS_MAX, LOG_REPEATS_INTERVAL_S))
    if log_format is LogFormat.JSON:
        handler.setFormatter(_Json())
    else:
        handler.setFormatter(_Text("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("aiohttp.server").addFilter(_Malformed())
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # What is wrong with a form, its sender is told.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


def name_of(request: web.Request) -> str:
    """The name of a request, for its answer and for the lines that it leaves in the log."""
    given = request.headers.get(REQUEST_ID)
    if given is not None and _NAME.fullmatch(given):
        return given
    return f"{_PROCESS}{next(_NUMBERS):08x}"
