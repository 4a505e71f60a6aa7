"""What may be chosen about a store, known without loading it."""

from __future__ import annotations

from enum import Enum
from typing import Final

DEFAULT_SESSION: Final = "main"

MEMORY: Final = ":memory:"
"""The name of the place that keeps nothing."""


class Durability(str, Enum):
    """What an acknowledged change survives: `full`, everything; `fast`, all but a power cut."""

    FULL = "full"
    FAST = "fast"
