"""The functions that a config may call, by the names of Python's `random`.

Each draws only from the generator it is given, so that a participant's draws are the same in
every run.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiment_server.limits import DRAW_SIZE

Bound = Mapping[str, Any]
"""Checked arguments by name."""

MAX_DRAWS = 22
"""Draws before `unique` chooses from what is left: one, and the 21 repeats of release 0.3.9."""


class ArgumentsInvalid(Exception):
    """The arguments do not fit the function; the message says how."""


class TooFewValues(Exception):
    """Fewer values are left than a unique call asks for."""


class Used:
    """The values that a group of unique calls has given out to one participant."""

    def __init__(self) -> None:
        self._values: set[Any] = set()

    def __contains__(self, value: Any) -> bool:
        return freeze(value) in self._values

    def add(self, values: Sequence[Any]) -> None:
        """Mark values as given out."""
        self._values.update(map(freeze, values))


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the registry.

    `bind` turns the file's list or table of arguments into keyword arguments, or raises
    ArgumentsInvalid. `draw` makes one draw. `left` lists what a unique draw may still choose
    from, with weights, given what is used.
    """

    name: str
    signature: str
    bind: Callable[[Any], dict[str, Any]]
    draw: Callable[[random.Random, Bound], list[Any]]
    left: Callable[[Bound, Used], tuple[list[Any], list[float]]]

    def draw_unique(self, generator: random.Random, bound: Bound, used: Used) -> list[Any]:
        """A draw without a repeated value, neither inside it nor against `used`.

        Raises TooFewValues only when fewer values are left than the draw needs.
        """
        for _ in range(MAX_DRAWS):
            values = self.draw(generator, bound)
            if not _repeats(values) and not any(value in used for value in values):
                break
        else:
            values = self._choose_from_what_is_left(generator, bound, used)
        used.add(values)
        return values

    def _choose_from_what_is_left(
        self, generator: random.Random, bound: Bound, used: Used
    ) -> list[Any]:
        left, weights = self.left(bound, used)
        wanted = bound.get("k", 1)
        if len(left) < wanted:
            raise TooFewValues(
                f"{self.name} asks for {wanted} more unique value{'s' if wanted > 1 else ''}, "
                f"but only {len(left)} of its values "
                f"{'is' if len(left) == 1 else 'are'} left for this participant"
            )
        chosen = []
        for _ in range(wanted):
            position = generator.choices(range(len(left)), weights)[0]
            chosen.append(left.pop(position))
            weights.pop(position)
        return chosen


def freeze(value: Any) -> Any:
    """A hashable stand-in for a config value; equal values have equal stand-ins."""
    if isinstance(value, dict):
        return ("table", frozenset((key, freeze(item)) for key, item in value.items()))
    if isinstance(value, list):
        return ("list", tuple(map(freeze, value)))
    return value


def _repeats(values: Sequence[Any]) -> bool:
    return len(set(map(freeze, values))) < len(values)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


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
                f"takes at most {len(positional)} arguments as a list "
                f"({', '.join(positional)}), got {len(args)}; give the others by name in a table"
            )
        return dict(zip(positional, args, strict=False))
    raise ArgumentsInvalid("needs args as a list or a table")


def _bind_choices(args: Any) -> dict[str, Any]:
    bound = _bind(args, ("population", "weights"), ("population", "weights", "cum_weights", "k"))
    population = bound.get("population")
    if not isinstance(population, (list, str)) or not population:
        hint = " (args is a list of arguments, so write the list in a list: [[1, 2, 3]])"
        got = "is missing" if population is None else "has to be a list with at least one value"
        raise ArgumentsInvalid(f"population {got}{hint if isinstance(args, list) else ''}")
    amount = bound.get("k", 1)
    if not isinstance(amount, int) or isinstance(amount, bool) or amount < 0:
        raise ArgumentsInvalid(f"k has to be a whole number, 0 or more, got {amount!r}")
    if amount > DRAW_SIZE:
        raise ArgumentsInvalid(f"k can be at most {DRAW_SIZE}, got {amount}")
    if "weights" in bound and "cum_weights" in bound:
        raise ArgumentsInvalid("takes weights or cum_weights, not both")
    for key in ("weights", "cum_weights"):
        if key in bound:
            _check_weights(key, bound[key], len(population))
    return bound


def _check_weights(key: str, weights: Any, size: int) -> None:
    if not isinstance(weights, list) or not all(map(_is_number, weights)):
        raise ArgumentsInvalid(f"{key} has to be a list of numbers")
    if len(weights) != size:
        raise ArgumentsInvalid(f"{key} has {len(weights)} numbers for {size} values")
    single = weights if key == "weights" else _differences(weights)
    if any(weight < 0 for weight in single):
        problem = "cannot be negative" if key == "weights" else "cannot decrease"
        raise ArgumentsInvalid(f"{key} {problem}")
    if not 0 < sum(single) < float("inf"):
        raise ArgumentsInvalid(f"{key} have to sum to a number above zero")


def _differences(cumulative: Sequence[float]) -> list[float]:
    return [after - before for before, after in zip([0, *cumulative], cumulative, strict=False)]


def _draw_choices(generator: random.Random, bound: Bound) -> list[Any]:
    return generator.choices(**bound)


def _left_of_choices(bound: Bound, used: Used) -> tuple[list[Any], list[float]]:
    population = list(bound["population"])
    weights = bound.get("weights")
    if "cum_weights" in bound:
        weights = _differences(bound["cum_weights"])
    summed: dict[Any, tuple[Any, float]] = {}
    for value, weight in zip(population, weights or [1] * len(population), strict=True):
        if weight > 0 and value not in used:
            before = summed.get(freeze(value), (value, 0.0))[1]
            summed[freeze(value)] = (value, before + weight)
    left = list(summed.values())
    return [value for value, _ in left], [weight for _, weight in left]


FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in (
        Function(
            "choices",
            "choices(population, weights=None, *, cum_weights=None, k=1)",
            _bind_choices,
            _draw_choices,
            _left_of_choices,
        ),
    )
}
"""The registry: a config can call what is in here, and nothing else."""
