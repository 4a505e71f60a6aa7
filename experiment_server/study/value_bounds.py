"""The bounds of values that a call can draw for any participant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiment_server.wire.values import JsonValue


@dataclass(frozen=True, slots=True)
class IntegerBounds:
    """A whole number from `least` to `most`."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class NumberBounds:
    """A number from `least` to `most`."""

    least: float
    most: float


@dataclass(frozen=True, slots=True)
class ListBounds:
    """A list (or text, as a list of its characters) of `shortest` to `longest` values.

    `items` contains every value that the list can contain; with `in_place`, `items` is the list
    itself. An item is a value of the file, a call, or the bounds of a call's value. `distinct` is
    the smallest number of distinct values in the list, None if it is unknown.
    """

    items: Sequence[JsonValue]
    shortest: int
    longest: int
    in_place: bool = False
    distinct: int | None = None


ValueBounds = IntegerBounds | NumberBounds | ListBounds
