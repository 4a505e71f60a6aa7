"""The arguments of config functions: from a list or a table in the file to checked values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from experiment_server.limits import DRAW_SIZE

Bound = Mapping[str, Any]
"""Checked arguments by name."""


class ArgumentsInvalid(Exception):
    """The arguments do not fit the function; the message says how."""


def bind_choices(args: Any) -> dict[str, Any]:
    """The arguments of random.choices."""
    _hint_for_a_flat_list(args)
    bound = _bind(args, ("population", "weights"), ("population", "weights", "cum_weights", "k"))
    size = _check_population(bound)
    if "k" in bound:
        _check_amount(bound)
    if "weights" in bound and "cum_weights" in bound:
        raise ArgumentsInvalid("takes weights or cum_weights, not both")
    for key in ("weights", "cum_weights"):
        if key in bound:
            _check_weights(key, bound[key], size)
    return bound


def bind_sample(args: Any) -> dict[str, Any]:
    """The arguments of random.sample."""
    bound = _bind(args, ("population", "k"), ("population", "k", "counts"))
    size = _check_population(bound)
    counts = bound.get("counts")
    if counts is not None:
        if (
            not isinstance(counts, list)
            or len(counts) != size
            or not all(_is_whole(count) and count >= 0 for count in counts)
        ):
            raise ArgumentsInvalid(f"needs as counts a list of {size} whole numbers, 0 or more")
        size = sum(counts)
        if size > DRAW_SIZE:
            raise ArgumentsInvalid(f"has counts for more than {DRAW_SIZE} values")
    _check_amount(bound)
    if bound["k"] > size:
        raise ArgumentsInvalid(f"cannot take k = {bound['k']} values out of {size}")
    return bound


def bind_shuffle(args: Any) -> dict[str, Any]:
    """The argument of random.shuffle, which is left as it is."""
    bound = _bind(args, ("population",), ("population",))
    _check_population(bound)
    return bound


def bind_randint(args: Any) -> dict[str, Any]:
    """The arguments of random.randint."""
    bound = _bind(args, ("a", "b"), ("a", "b"))
    for key in ("a", "b"):
        if not _is_whole(bound.get(key)):
            raise ArgumentsInvalid(f"needs a whole number as {key}")
    if bound["a"] > bound["b"]:
        raise ArgumentsInvalid(f"has no number from {bound['a']} to {bound['b']}: a is above b")
    return bound


def bind_uniform(args: Any) -> dict[str, Any]:
    """The arguments of random.uniform."""
    bound = _bind(args, ("a", "b"), ("a", "b"))
    _check_numbers(bound, ("a", "b"))
    return bound


def bind_gauss(args: Any) -> dict[str, Any]:
    """The arguments of random.gauss."""
    bound = {"mu": 0.0, "sigma": 1.0, **_bind(args, ("mu", "sigma"), ("mu", "sigma"))}
    _check_numbers(bound, ("mu", "sigma"))
    if bound["sigma"] < 0:
        raise ArgumentsInvalid("needs a sigma of 0 or more")
    return bound


def bind_range(args: Any) -> dict[str, Any]:
    """The arguments of range, which knows one, two or three."""
    names = ("stop",) if isinstance(args, list) and len(args) == 1 else ("start", "stop", "step")
    bound = {"start": 0, "step": 1, **_bind(args, names, ("start", "stop", "step"))}
    for key in ("start", "stop", "step"):
        if not _is_whole(bound.get(key)):
            raise ArgumentsInvalid(f"needs a whole number as {key}")
    if bound["step"] == 0:
        raise ArgumentsInvalid("needs a step other than 0")
    if len(range(bound["start"], bound["stop"], bound["step"])) > DRAW_SIZE:
        raise ArgumentsInvalid(f"has more than {DRAW_SIZE} numbers")
    return bound


def differences(cumulative: Sequence[float]) -> list[float]:
    """The single weights of cumulative ones."""
    return [after - before for before, after in zip([0, *cumulative], cumulative, strict=False)]


def _bind(args: Any, positional: Sequence[str], named: Sequence[str]) -> dict[str, Any]:
    """Arguments by name, from a list (as positional ones) or a table (as named ones)."""
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


def _hint_for_a_flat_list(args: Any) -> None:
    # The mistake that everybody makes once: the values in place of the list of values.
    if isinstance(args, list) and args and not isinstance(args[0], (list, str, dict)):
        raise ArgumentsInvalid(
            "takes its values as one argument: write them in a list of their own, "
            "args = [[1, 2, 3]]"
        )


def _check_population(bound: Bound) -> int:
    population = bound.get("population")
    if population is None:
        raise ArgumentsInvalid("needs a population, the list of values")
    if not isinstance(population, (list, str)) or not population:
        raise ArgumentsInvalid("needs a population with at least one value, args = [[1, 2, 3]]")
    return len(population)


def _check_amount(bound: Bound) -> None:
    amount = bound.get("k")
    if not _is_whole(amount) or not isinstance(amount, int) or amount < 0:
        got = "" if amount is None else f", got {amount!r}"
        raise ArgumentsInvalid(f"needs a whole number as k, 0 or more{got}")
    if amount > DRAW_SIZE:
        raise ArgumentsInvalid(f"takes a k of at most {DRAW_SIZE}, got {amount}")


def _check_weights(key: str, weights: Any, size: int) -> None:
    if not isinstance(weights, list) or not all(map(_is_number, weights)):
        raise ArgumentsInvalid(f"needs a list of numbers as {key}")
    if len(weights) != size:
        raise ArgumentsInvalid(f"needs {size} {key}, one for each value, got {len(weights)}")
    single = weights if key == "weights" else differences(weights)
    if any(weight < 0 for weight in single):
        problem = "that are not negative" if key == "weights" else "that do not decrease"
        raise ArgumentsInvalid(f"needs {key} {problem}")
    if not 0 < sum(single) < math.inf:
        raise ArgumentsInvalid(f"needs {key} with a sum above zero")


def _check_numbers(bound: Bound, keys: Sequence[str]) -> None:
    for key in keys:
        if not _is_number(bound.get(key)):
            raise ArgumentsInvalid(f"needs a number as {key}")


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    # A number that no float can hold has been told of already, and must not stop the rest.
    return _is_whole(value) and abs(value) < 2**63


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
