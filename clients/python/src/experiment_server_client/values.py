"""The types of values from a server: a study's configs may have any JSON type."""

from __future__ import annotations

from typing import Any, TypeAlias

JsonValue: TypeAlias = Any
"""A text, number, boolean, None, list or object; a program knows the types of its study."""

JsonObject: TypeAlias = dict[str, JsonValue]
"""An object with text keys."""
