"""Types of a study's own data, whose content the server does not know in advance."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from msgspec import Meta

JsonValue: TypeAlias = Any
"""A JSON value: text, a number, a boolean, null, a list or an object."""

JsonObject: TypeAlias = dict[str, JsonValue]
"""An object with text keys and JSON values."""

Config: TypeAlias = Annotated[
    JsonObject,
    Meta(description="A block's config as the study file has it, with the server's keys."),
]
"""A block's settings."""
