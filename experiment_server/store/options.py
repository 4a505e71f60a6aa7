"""The options of a store, in a module that loads fast."""

from __future__ import annotations

from enum import Enum
from typing import Final

DEFAULT_SESSION: Final = "main"

MEMORY: Final = ":memory:"
"""The name of a database in memory."""


class Durability(str, Enum):
    """Acknowledged changes survive a power failure (`full`), or only a server crash (`fast`)."""

    FULL = "full"
    FAST = "fast"
