"""What a value can be for any participant: known, or drawn by a call and then within bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiment_server.wire.values import JsonValue


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `least` to `most`."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Number:
    """A number from `least` to `most`."""

    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Listed:
    """A list (or text, as a list of its characters) of `shortest` to `longest` values.

    `items` has all values that can stand in it; with `in_place` it is the list itself. Items are
    values of the file, or calls, or what a call can draw. `distinct` is a number of different
    values that it is sure to have, None where nobody has counted.
    """

    items: Sequence[JsonValue]
    shortest: int
    longest: int
    in_place: bool = False
    distinct: int | None = None


Possible = Whole | Number | Listed
