"""Compares values, and counts the distinct values that a call is certain to have."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from experiment_server.study.arguments import (
    Bound,
    differences,
    integer_bounds,
    list_bounds,
    number_bounds,
)
from experiment_server.study.model import FunctionCall, Rows
from experiment_server.study.value_bounds import IntegerBounds, ListBounds, NumberBounds
from experiment_server.wire.values import JsonValue

DRAWN_SHARE_MAX = 2**-20
"""The share of a call's possible numbers that may be used. A unique call repeats a draw a limited
number of times, so repeated numbers must be rare."""


@dataclass(frozen=True, slots=True)
class DistinctValues:
    """The distinct values of a unique call.

    One draw uses at most `drawn_max` values; at least `available_min` exist for every participant.
    `values` lists them if they are finite and the same for every participant.
    """

    drawn_max: int
    available_min: float
    values: frozenset[Hashable] | None = None


def freeze(value: JsonValue) -> Hashable:
    """A hashable form of a config value; equal values have equal forms."""
    if isinstance(value, dict):
        try:
            return ("table", frozenset(value.items()))
        except TypeError:
            # It contains lists or tables, which are not hashable themselves.
            return ("table", frozenset((key, freeze(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("list", tuple(map(freeze, value)))
    hashable: Hashable = value
    return hashable


def is_known(value: object) -> bool:
    """Whether a value is the same for every participant: it contains no call."""
    if isinstance(value, (dict, list)):
        return all(map(is_known, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, (FunctionCall, IntegerBounds, NumberBounds, ListBounds))


def least_distinct(values: ListBounds) -> int:
    """The smallest number of distinct values in a list."""
    if values.distinct is not None:
        return values.distinct
    if not values.in_place:
        return min(1, values.shortest)
    rows = isinstance(values.items, Rows)
    known = values.items if rows else filter(is_known, values.items)
    return len(set(map(freeze, known))) or min(1, values.shortest)


def distinct_in_population(bound: Bound) -> DistinctValues:
    """The distinct values of a call that draws `k` values from a population."""
    drawn = integer_bounds(bound.get("k", 1))
    most = drawn.most if drawn else 0
    values = _known_values(bound)
    if values is not None:
        return DistinctValues(most, len(values), values)
    return DistinctValues(most, _least_values(bound))


def distinct_whole_numbers(bound: Bound) -> DistinctValues:
    """The distinct values of a call for a whole number from `a` to `b`."""
    low, high = integer_bounds(bound["a"]), integer_bounds(bound["b"])
    return DistinctValues(1, high.least - low.most + 1 if low and high else 0)


def distinct_normal_numbers(bound: Bound) -> DistinctValues:
    """The distinct values of a call for a number around `mu`."""
    deviation = number_bounds(bound["sigma"])
    return DistinctValues(1, math.inf if deviation and deviation.least > 0 else 1)


def distinct_numbers(bound: Bound) -> DistinctValues:
    """The distinct values of a call for a number from `a` to `b`."""
    low, high = number_bounds(bound["a"]), number_bounds(bound["b"])
    if low is None or high is None:
        return DistinctValues(1, 0)
    narrowest = max(high.least - low.most, low.least - high.most, 0.0)
    spacing = math.ulp(max(abs(low.least), abs(low.most), abs(high.least), abs(high.most)))
    return DistinctValues(1, max(1.0, narrowest / spacing * DRAWN_SHARE_MAX))


def _known_values(bound: Bound) -> frozenset[Hashable] | None:
    """The distinct values that a draw can have; None if they depend on the participant."""
    population = bound["population"]
    if not isinstance(population, (list, str)) or not is_known(population):
        return None
    weights: Sequence[JsonValue] = [1] * len(population)
    for key in ("weights", "cum_weights", "counts"):
        if bound.get(key) is not None:
            given = bound[key]
            if not isinstance(given, list) or not is_known(given):
                return None
            weights = differences(given) if key == "cum_weights" else given
    return frozenset(
        freeze(value) for value, weight in zip(population, weights, strict=True) if weight > 0
    )


def _least_values(bound: Bound) -> int:
    if any(bound.get(key) is not None for key in ("weights", "cum_weights", "counts")):
        return 1
    population = list_bounds(bound["population"])
    return least_distinct(population) if population else 0
