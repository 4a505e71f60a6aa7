"""Checks the arguments of config functions, and binds them to their names.

An argument may itself be a call. The check then covers every value that the call can draw, so
accepted arguments are valid for every participant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from experiment_server.limits.study import DRAW_VALUES_MAX
from experiment_server.study.model import FunctionCall, Rows, TemplateValue
from experiment_server.study.value_bounds import IntegerBounds, ListBounds, NumberBounds
from experiment_server.wire.values import JsonObject

Bound = Mapping[str, TemplateValue]
"""Checked arguments by name."""


class ArgumentsInvalid(Exception):
    """The arguments do not fit the function; the message says how."""


Read = TypeVar("Read")
Real = TypeVar("Real", int, float)

SIGMAS = 10
"""No draw of random.gauss is farther from the mean than this number of standard deviations: its
generator has 53 bits, which reach 8.6."""


def bind_choices(args: TemplateValue) -> JsonObject:
    """The arguments of random.choices."""
    _hint_for_a_flat_list(args)
    bound = by_name(args, ("population", "weights"), ("population", "weights", "cum_weights", "k"))
    population = _population(bound)
    if "k" in bound:
        _amount(bound)
    if "weights" in bound and "cum_weights" in bound:
        raise ArgumentsInvalid("takes weights or cum_weights, not both")
    for key in ("weights", "cum_weights"):
        if key in bound:
            _check_weights(key, bound[key], population)
    return bound


def bind_sample(args: TemplateValue) -> JsonObject:
    """The arguments of random.sample."""
    bound = by_name(args, ("population", "k"), ("population", "k", "counts"))
    population = _population(bound)
    size = population.shortest
    if bound.get("counts") is not None:
        counts = list_bounds(bound["counts"])
        wholes = None if counts is None else _each(counts, integer_bounds)
        if (
            counts is None
            or wholes is None
            or isinstance(bound["counts"], str)
            or not _alike_long(counts, population)
            or not all(count.least >= 0 for count in wholes)
        ):
            raise ArgumentsInvalid(
                f"needs as counts a list of {_length(population)} whole numbers, 0 or more"
            )
        size = _least_sum(counts, [count.least for count in wholes])
        if _most_sum(counts, [count.most for count in wholes]) > DRAW_VALUES_MAX:
            raise ArgumentsInvalid(f"has counts for more than {DRAW_VALUES_MAX} values")
    amount = _amount(bound)
    if amount.most > size:
        raise ArgumentsInvalid(
            f"cannot take k = {amount.most} values out of {size}"
            if amount.least == amount.most and population.shortest == population.longest
            else f"may have to take k = {amount.most} values out of {size}"
        )
    return bound


def bind_shuffle(args: TemplateValue) -> JsonObject:
    """The argument of random.shuffle. The list in the study is not changed."""
    bound = by_name(args, ("population",), ("population",))
    _population(bound)
    return bound


def bind_randint(args: TemplateValue) -> JsonObject:
    """The arguments of random.randint."""
    bound = by_name(args, ("a", "b"), ("a", "b"))
    low, high = _whole(bound, "a"), _whole(bound, "b")
    if low.most > high.least:
        raise ArgumentsInvalid(
            f"has no number from {low.most} to {high.least}: a is above b"
            if low.least == low.most and high.least == high.most
            else f"may have to draw from {low.most} to {high.least}, where a is above b"
        )
    return bound


def bind_uniform(args: TemplateValue) -> JsonObject:
    """The arguments of random.uniform."""
    bound = by_name(args, ("a", "b"), ("a", "b"))
    low, high = _number(bound, "a"), _number(bound, "b")
    if not math.isfinite(max(low.most, high.most) - min(low.least, high.least)):
        raise ArgumentsInvalid("has a range from a to b that is larger than a number can be")
    return bound


def bind_gauss(args: TemplateValue) -> JsonObject:
    """The arguments of random.gauss."""
    bound = {"mu": 0.0, "sigma": 1.0, **by_name(args, ("mu", "sigma"), ("mu", "sigma"))}
    mean, deviation = _number(bound, "mu"), _number(bound, "sigma")
    if deviation.least < 0:
        raise ArgumentsInvalid("needs a sigma of 0 or more")
    if not math.isfinite(max(abs(mean.least), abs(mean.most)) + SIGMAS * deviation.most):
        raise ArgumentsInvalid("has values that are larger than a number can be")
    return bound


def bind_range(args: TemplateValue) -> JsonObject:
    """The one, two or three arguments of range."""
    names = ("stop",) if isinstance(args, list) and len(args) == 1 else ("start", "stop", "step")
    bound = {"start": 0, "step": 1, **by_name(args, names, ("start", "stop", "step"))}
    start, stop, step = (_whole(bound, key) for key in ("start", "stop", "step"))
    if step.least <= 0 <= step.most:
        raise ArgumentsInvalid("needs a step other than 0")
    if longest_range(start, stop, step) > DRAW_VALUES_MAX:
        raise ArgumentsInvalid(f"has more than {DRAW_VALUES_MAX} numbers")
    return bound


def longest_range(start: IntegerBounds, stop: IntegerBounds, step: IntegerBounds) -> int:
    """The largest length that a range can have; its step is never 0."""
    if step.least > 0:
        return _range_length(start.least, stop.most, step.least)
    return _range_length(-start.most, -stop.least, -step.most)


def shortest_range(start: IntegerBounds, stop: IntegerBounds, step: IntegerBounds) -> int:
    """The smallest length that a range can have; its step is never 0."""
    if step.least > 0:
        return _range_length(start.most, stop.least, step.most)
    return _range_length(-start.least, -stop.most, -step.least)


def _range_length(start: int, stop: int, step: int) -> int:
    # len() of a range fails for lengths of 2**63 and more.
    return max(0, (stop - start - 1) // step + 1)


def differences(cumulative: Sequence[float]) -> list[float]:
    """The weights that have these cumulative weights."""
    return [after - before for before, after in zip([0, *cumulative], cumulative, strict=False)]


def integer_bounds(value: object) -> IntegerBounds | None:
    """The bounds of a whole number, None if the value can be anything else."""
    possible = value.possible if isinstance(value, FunctionCall) else value
    if isinstance(possible, int) and not isinstance(possible, bool):
        return IntegerBounds(possible, possible)
    return possible if isinstance(possible, IntegerBounds) else None


def number_bounds(value: object) -> NumberBounds | None:
    """The bounds of a number, None if the value can be anything else."""
    possible = value.possible if isinstance(value, FunctionCall) else value
    if isinstance(possible, float) and math.isfinite(possible):
        return NumberBounds(possible, possible)
    wholes = integer_bounds(possible)
    # A number that is too large for a float already has an error; the check goes on.
    if wholes is not None and max(-wholes.least, wholes.most + 1) <= 2**63:
        return NumberBounds(wholes.least, wholes.most)
    return possible if isinstance(possible, NumberBounds) else None


def list_bounds(value: object) -> ListBounds | None:
    """The bounds of a list, or of a text as a list of characters; None for anything else."""
    possible = value.possible if isinstance(value, FunctionCall) else value
    if isinstance(possible, (list, str)):
        return ListBounds(possible, len(possible), len(possible), in_place=True)
    return possible if isinstance(possible, ListBounds) else None


def by_name(args: TemplateValue, positional: Sequence[str], named: Sequence[str]) -> JsonObject:
    """Arguments by name, from a list (as positional ones) or a table (as named ones)."""
    if isinstance(args, Rows):
        raise ArgumentsInvalid(
            f'takes a table as one argument: write args = ["${args.name}"], in a list'
        )
    if isinstance(args, dict):
        unknown = [key for key in args if key not in named]
        if unknown:
            raise ArgumentsInvalid(f'has no argument "{unknown[0]}"; it knows {", ".join(named)}')
        return dict(args)
    if isinstance(args, list):
        if len(args) > len(positional):
            raise ArgumentsInvalid(
                f"takes at most {len(positional)} argument{'s' if len(positional) > 1 else ''} "
                f"as a list ({', '.join(positional)}), got {len(args)}"
            )
        return dict(zip(positional, args, strict=False))
    raise ArgumentsInvalid("needs args as a list or a table")


def _hint_for_a_flat_list(args: TemplateValue) -> None:
    # A frequent mistake: args contains the values themselves, not a list of them.
    if isinstance(args, list) and args and not isinstance(args[0], (list, str, dict, FunctionCall)):
        raise ArgumentsInvalid(
            "takes its values as one argument: write them in a list of their own, "
            "args = [[1, 2, 3]]"
        )


def _population(bound: Bound) -> ListBounds:
    value = bound.get("population")
    if value is None:
        raise ArgumentsInvalid("needs a population, the list of values")
    population = list_bounds(value)
    if population is None or population.shortest < 1:
        raise ArgumentsInvalid("needs a population with at least one value, args = [[1, 2, 3]]")
    return population


def _amount(bound: Bound) -> IntegerBounds:
    value = bound.get("k")
    amount = integer_bounds(value)
    if amount is None or amount.least < 0:
        got = "" if value is None else f", got {_shown(value)}"
        raise ArgumentsInvalid(f"needs a whole number as k, 0 or more{got}")
    if amount.most > DRAW_VALUES_MAX:
        raise ArgumentsInvalid(f"takes a k of at most {DRAW_VALUES_MAX}, got {_shown(value)}")
    return amount


def _whole(bound: Bound, key: str) -> IntegerBounds:
    found = integer_bounds(bound.get(key))
    if found is None:
        raise ArgumentsInvalid(f"needs a whole number as {key}{_what_is_drawn(bound.get(key))}")
    return found


def _number(bound: Bound, key: str) -> NumberBounds:
    found = number_bounds(bound.get(key))
    if found is None:
        raise ArgumentsInvalid(f"needs a number as {key}{_what_is_drawn(bound.get(key))}")
    return found


def _shown(value: object) -> str:
    if isinstance(value, FunctionCall):
        return f"what {value.function_name} draws"
    return repr(value)


def _what_is_drawn(value: object) -> str:
    # choices and sample return a list even for a single value.
    if isinstance(value, FunctionCall) and isinstance(value.possible, ListBounds):
        return f"; {value.function_name} gives a list"
    return ""


def _check_weights(key: str, value: object, population: ListBounds) -> None:
    weights = None if isinstance(value, str) else list_bounds(value)
    numbers = None if weights is None else _each(weights, number_bounds)
    if weights is None or numbers is None:
        raise ArgumentsInvalid(f"needs a list of numbers as {key}")
    if not _alike_long(weights, population):
        raise ArgumentsInvalid(
            f"needs {_length(population)} {key}, one for each value, got {_length(weights)}"
        )
    least = [item.least for item in numbers]
    most = [item.most for item in numbers]
    if key == "cum_weights":
        # Each weight has to be at least as large as the one before it, even if both are drawn.
        falls = (
            zip(most, least[1:], strict=False) if weights.in_place else [(max(most), min(least))]
        )
        if least[0] < 0 or any(before > after for before, after in falls):
            raise ArgumentsInvalid("needs cum_weights that do not decrease, from 0 up")
        positive, finite = least[-1] > 0, math.isfinite(most[-1])
    else:
        if min(least) < 0:
            raise ArgumentsInvalid("needs weights that are not negative")
        positive = _least_sum(weights, least) > 0
        finite = math.isfinite(_most_sum(weights, most))
    if not positive or not finite:
        raise ArgumentsInvalid(f"needs {key} with a sum above zero")


def _each(values: ListBounds, read: Callable[[object], Read | None]) -> list[Read] | None:
    """The bounds of each value in a list, None if `read` returns None for one of them."""
    found = [read(item) for item in values.items]
    kept = [value for value in found if value is not None]
    return kept if len(kept) == len(found) else None


def _least_sum(values: ListBounds, least: Sequence[Real]) -> Real:
    """The smallest sum of a list, from the smallest value of each item."""
    return sum(least) if values.in_place else min(least, default=0) * values.shortest


def _most_sum(values: ListBounds, most: Sequence[Real]) -> Real:
    """The largest sum of a list, from the largest value of each item."""
    return sum(most) if values.in_place else max(most, default=0) * values.longest


def _alike_long(values: ListBounds, population: ListBounds) -> bool:
    return values.shortest == values.longest == population.shortest == population.longest


def _length(values: ListBounds) -> str:
    if values.shortest == values.longest:
        return str(values.shortest)
    return f"{values.shortest} to {values.longest}"
