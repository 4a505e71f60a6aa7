"""The log formats, in a module that loads fast."""

from __future__ import annotations

from enum import Enum


class LogFormat(str, Enum):
    """The format of log lines."""

    TEXT = "text"
    JSON = "json"
