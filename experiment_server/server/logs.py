"""Logs: for people or for programs, each line with the request that it belongs to."""

from __future__ import annotations

import contextvars
import logging
import re
import uuid
from datetime import datetime, timezone

from aiohttp import web
from aiohttp.typedefs import Handler

from experiment_server.flow.export import to_json
from experiment_server.flow.participant import timestamp
from experiment_server.server.choices import LogFormat

REQUEST_ID = "X-Request-ID"
"""The header that names a request, taken from who asks and given back to them."""

_NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)

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
        return to_json(line)


class _Text(logging.Formatter):
    # Diagnostics and tracebacks go over several lines; what clients send is written as repr.
    def format(self, record: logging.LogRecord) -> str:
        request = current_request.get()
        text = super().format(record)
        return f"[{request}] {text}" if request else text


def set_up(log_format: LogFormat) -> None:
    """Write logs to stderr."""
    handler = logging.StreamHandler()
    if log_format is LogFormat.JSON:
        handler.setFormatter(_Json())
    else:
        handler.setFormatter(_Text("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("alembic", "watchfiles"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


@web.middleware
async def name_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give each request a name, for its answer and for the lines that it leaves in the log."""
    given = request.headers.get(REQUEST_ID, "")
    name = given if _NAME.fullmatch(given) else uuid.uuid4().hex[:16]
    token = current_request.set(name)
    try:
        response = await handler(request)
        if not response.prepared:
            response.headers[REQUEST_ID] = name
        return response
    finally:
        current_request.reset(token)
