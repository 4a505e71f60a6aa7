"""Logging as text or JSON; each line has the id of its request."""

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

from experiment_server.limits.network import LOG_REPEATS_INTERVAL_S, LOG_REPEATS_MAX
from experiment_server.participants.state import timestamp
from experiment_server.server.log_format import LogFormat

REQUEST_ID = "X-Request-ID"
"""The header with a request's id, in the request and in the response."""

_REQUEST_ID_PATTERN = re.compile(r"[\w.-]{1,64}", re.ASCII)

# A request without an id gets one: a random part for the process, and a counter.
_PROCESS, _COUNTER = secrets.token_hex(4), count()

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
    # Lines may contain line breaks of diagnostics and tracebacks, but clients' texts are escaped.
    def format(self, record: logging.LogRecord) -> str:
        request = current_request.get()
        text = super().format(record)
        return f"[{request}] {text}" if request else text


class RepeatFilter(logging.Filter):
    """Passes `lines` log lines of one call within `seconds`, and counts the others.

    Afterwards it logs how many lines it left out. So clients cannot make the log grow fast.
    """

    def __init__(self, lines: int, seconds: float) -> None:
        super().__init__()
        self._lines = lines
        self._seconds = seconds
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, int]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        call = record.pathname, record.lineno
        with self._lock:
            self._counts[call] += 1
            count = self._counts[call]
        if count == 1:
            timer = threading.Timer(self._seconds, self._log_count, (call, record))
            timer.daemon = True
            timer.start()
        return count <= self._lines

    def _log_count(self, call: tuple[str, int], record: logging.LogRecord) -> None:
        with self._lock:
            omitted = self._counts.pop(call) - self._lines
        if omitted > 0:
            logging.getLogger(record.name).log(
                record.levelno,
                "%s more lines like %.200r were left out in %.0f seconds",
                omitted,
                record.msg,
                self._seconds,
            )


class _MalformedRequestFilter(logging.Filter):
    """Replaces the library's traceback for a malformed HTTP request by one line."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
            record.msg, record.args = (
                "a client sent a malformed HTTP request (%s)",
                (type(error).__name__,),
            )
        return True


def set_up(log_format: LogFormat) -> None:
    """Write logs to stderr."""
    handler = logging.StreamHandler()
    handler.addFilter(RepeatFilter(LOG_REPEATS_MAX, LOG_REPEATS_INTERVAL_S))
    if log_format is LogFormat.JSON:
        handler.setFormatter(_Json())
    else:
        handler.setFormatter(_Text("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("aiohttp.server").addFilter(_MalformedRequestFilter())
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # The response reports errors in a form.
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


def request_id_of(request: web.Request) -> str:
    """The id of a request, for its response and its log lines."""
    given = request.headers.get(REQUEST_ID)
    if given is not None and _REQUEST_ID_PATTERN.fullmatch(given):
        return given
    return f"{_PROCESS}{next(_COUNTER):08x}"
