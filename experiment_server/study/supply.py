"""Which values are different, and how many different ones a call is sure to have."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from experiment_server.study.arguments import Bound, differences, listed, number, whole
from experiment_server.study.model import FunctionCall, Rows
from experiment_server.study.possible import Listed, Number, Whole
from experiment_server.wire.values import JsonValue

CROWDED = 2**-20
"""The share of its numbers that a call for numbers may give out: it is drawn a limited number of
times, and must not meet a used one each time."""


@dataclass(frozen=True, slots=True)
class Supply:
    """What a unique call takes at most in one draw, and how many different values it is sure of.

    `values` are these, where they are the same for everybody and can be listed.
    """

    takes: int
    has: float
    values: frozenset[Hashable] | None = None


def freeze(value: JsonValue) -> Hashable:
    """A hashable stand-in for a config value; equal values have equal stand-ins."""
    if isinstance(value, dict):
        try:
            return ("table", frozenset(value.items()))
        except TypeError:
            # Lists and tables in it have stand-ins of their own.
            return ("table", frozenset((key, freeze(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("list", tuple(map(freeze, value)))
    stand_in: Hashable = value
    return stand_in


def is_known(value: object) -> bool:
    """Whether a value is what it is for everybody, with no call in it."""
    if isinstance(value, (dict, list)):
        return all(map(is_known, value.values() if isinstance(value, dict) else value))
    return not isinstance(value, (FunctionCall, Whole, Number, Listed))


def least_distinct(values: Listed) -> int:
    """How many different values a list has at least."""
    if values.distinct is not None:
        return values.distinct
    if not values.in_place:
        return min(1, values.shortest)
    rows = isinstance(values.items, Rows)
    known = values.items if rows else filter(is_known, values.items)
    return len(set(map(freeze, known))) or min(1, values.shortest)


def supply_of_population(bound: Bound) -> Supply:
    """The supply of a call that draws `k` values from a population."""
    takes = whole(bound.get("k", 1))
    most = takes.most if takes else 0
    values = _known_values(bound)
    if values is not None:
        return Supply(most, len(values), values)
    return Supply(most, _least_values(bound))


def supply_of_whole_numbers(bound: Bound) -> Supply:
    """The supply of a call for a whole number from `a` to `b`."""
    low, high = whole(bound["a"]), whole(bound["b"])
    return Supply(1, high.least - low.most + 1 if low and high else 0)


def supply_of_normal_numbers(bound: Bound) -> Supply:
    """The supply of a call for a number around `mu`."""
    deviation = number(bound["sigma"])
    return Supply(1, math.inf if deviation and deviation.least > 0 else 1)


def supply_of_numbers(bound: Bound) -> Supply:
    """The supply of a call for a number from `a` to `b`."""
    low, high = number(bound["a"]), number(bound["b"])
    if low is None or high is None:
        return Supply(1, 0)
    narrowest = max(high.least - low.most, low.least - high.most, 0.0)
    spacing = math.ulp(max(abs(low.least), abs(low.most), abs(high.least), abs(high.most)))
    return Supply(1, max(1.0, narrowest / spacing * CROWDED))


def _known_values(bound: Bound) -> frozenset[Hashable] | None:
    """The different values that a draw can have, where they are known."""
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
    population = listed(bound["population"])
    return least_distinct(population) if population else 0
