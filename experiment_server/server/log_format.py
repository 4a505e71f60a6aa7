"""What may be chosen about a server, known without loading it."""

from __future__ import annotations

from enum import Enum


class LogFormat(str, Enum):
    """How log lines are written."""

    TEXT = "text"
    JSON = "json"
