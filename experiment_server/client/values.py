"""What comes from a server: values that a study's own configs have, of any type that JSON knows."""

from __future__ import annotations

from typing import Any, TypeAlias

JsonValue: TypeAlias = Any
"""Text, a number, a boolean, None, a list or an object. A program knows its own study's types."""

JsonObject: TypeAlias = dict[str, JsonValue]
"""An object with text keys."""
