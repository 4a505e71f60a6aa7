"""The functions that a config may call: those of Python's `random`, and those for trials.

Each function draws only from the generator that it gets, so a participant's draws are the same in
every run.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeGuard, TypeVar

from experiment_server.study import arguments, trials
from experiment_server.study.arguments import (
    ArgumentsInvalid,
    Bound,
    integer_bounds,
    list_bounds,
    number_bounds,
)
from experiment_server.study.distinct_values import (
    DistinctValues,
    distinct_in_population,
    distinct_normal_numbers,
    distinct_numbers,
    distinct_whole_numbers,
    freeze,
    least_distinct,
)
from experiment_server.study.model import PLAIN
from experiment_server.study.order import shuffle
from experiment_server.study.value_bounds import (
    IntegerBounds,
    ListBounds,
    NumberBounds,
    ValueBounds,
)
from experiment_server.wire.values import JsonObject, JsonValue

Read = TypeVar("Read")

MAX_DRAWS = 22
"""Draws before a unique call chooses from unused values: one, and 21 repeats as in 0.3.9."""


class TooFewValues(Exception):
    """A unique call needs more values than are unused."""


class UsedValues:
    """The values that a group of unique calls has drawn for one participant."""

    def __init__(self) -> None:
        self.values: set[Hashable] = set()

    def add_new(self, values: Iterable[JsonValue]) -> bool:
        """Add values and return True; if one of them is not new, add none and return False."""
        fresh = set()
        for value in values:
            hashable = value if type(value) in PLAIN else freeze(value)
            if hashable in self.values or hashable in fresh:
                return False
            fresh.add(hashable)
        self.values |= fresh
        return True


Draw = Callable[[random.Random, Bound], JsonValue]
"""One draw: a list of values, or for functions of numbers a single one."""

Choose = Callable[[random.Random, Bound, UsedValues], list[JsonValue]]
"""A draw from the unused values only; raises TooFewValues if they do not suffice."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the registry.

    `bind` turns the file's list or table of arguments into keyword arguments, or raises
    ArgumentsInvalid. `outcome` gives the bounds of a draw with such arguments. `choose` draws only
    from unused values, after repeated draws failed; `distinct_values` counts the values that exist
    for certain. Functions without these two cannot be unique: for them, repeated values are normal.
    """

    name: str
    signature: str
    bind: Callable[[JsonValue], JsonObject]
    draw: Draw
    outcome: Callable[[Bound], ValueBounds]
    choose: Choose | None = None
    distinct_values: Callable[[Bound], DistinctValues] | None = None

    def draw_unique(self, generator: random.Random, bound: Bound, used: UsedValues) -> JsonValue:
        """A draw whose values are all different, and none of which is in `used`.

        Raises TooFewValues only if the draw needs more values than are unused.
        """
        draw = self.draw
        for _ in range(MAX_DRAWS):
            drawn = draw(generator, bound)
            if used.add_new(drawn if isinstance(drawn, list) else (drawn,)):
                return drawn
        values = self.draw_unused(generator, bound, used)
        return values if isinstance(drawn, list) else values[0]

    def draw_unused(
        self, generator: random.Random, bound: Bound, used: UsedValues
    ) -> list[JsonValue]:
        """A draw from unused values only, after all other draws contained used values."""
        if self.choose is None:
            raise TooFewValues(f"{self.name} cannot be unique")
        values = self.choose(generator, bound, used)
        used.add_new(values)
        return values


def _draw_choices(generator: random.Random, bound: Bound) -> list[JsonValue]:
    if "weights" in bound or "cum_weights" in bound:
        return generator.choices(**bound)
    # The same as random.choices, which takes twice the time for a single value.
    population, draw = bound["population"], generator.random
    size = len(population)
    return [population[int(draw() * size)] for _ in range(bound.get("k", 1))]


def _choose_choices(generator: random.Random, bound: Bound, used: UsedValues) -> list[JsonValue]:
    left, weights = _unused_choices(bound, used)
    wanted = bound.get("k", 1)
    _require("choices", wanted, len(left))
    chosen = []
    for _ in range(wanted):
        position = generator.choices(range(len(left)), weights)[0]
        chosen.append(left.pop(position))
        weights.pop(position)
    return chosen


def _unused_choices(bound: Bound, used: UsedValues) -> tuple[list[JsonValue], list[float]]:
    """The distinct unused values, and the sum of the weights of each."""
    population = list(bound["population"])
    weights = bound.get("weights")
    if "cum_weights" in bound:
        weights = arguments.differences(bound["cum_weights"])
    summed: dict[Hashable, tuple[JsonValue, float]] = {}
    for value, weight in zip(population, weights or [1] * len(population), strict=True):
        hashable = freeze(value)
        if weight > 0 and hashable not in used.values:
            summed[hashable] = (value, summed.get(hashable, (value, 0.0))[1] + weight)
    left = list(summed.values())
    return [value for value, _ in left], [weight for _, weight in left]


def _draw_sample(generator: random.Random, bound: Bound) -> list[JsonValue]:
    return generator.sample(list(bound["population"]), bound["k"], counts=bound.get("counts"))


def _choose_sample(generator: random.Random, bound: Bound, used: UsedValues) -> list[JsonValue]:
    left = list(_distinct_unused(bound, used))
    _require("sample", bound["k"], len(left))
    return generator.sample(left, bound["k"])


def _drawn_from(bound: Bound, amount: IntegerBounds, distinct: int) -> ListBounds:
    return ListBounds(_checked(list_bounds, bound, "population").items, amount.least, amount.most,
                  distinct=max(distinct, min(1, amount.least)))  # fmt: skip


def _outcome_of_choices(bound: Bound) -> ListBounds:
    return _drawn_from(bound, _checked(integer_bounds, {"k": 1, **bound}, "k"), 0)


def _outcome_of_sample(bound: Bound) -> ListBounds:
    amount = _checked(integer_bounds, bound, "k")
    if bound.get("counts") is not None:
        return _drawn_from(bound, amount, 0)
    # In the worst case, the draw contains every repeated value of the population.
    population = _checked(list_bounds, bound, "population")
    repeated = population.longest - least_distinct(population)
    return _drawn_from(bound, amount, amount.least - repeated)


def _outcome_of_shuffle(bound: Bound) -> ListBounds:
    population = _checked(list_bounds, bound, "population")
    return ListBounds(population.items, population.shortest, population.longest,
                  distinct=least_distinct(population))  # fmt: skip


def _outcome_of_randint(bound: Bound) -> IntegerBounds:
    return IntegerBounds(
        _checked(integer_bounds, bound, "a").least, _checked(integer_bounds, bound, "b").most
    )


def _outcome_of_uniform(bound: Bound) -> NumberBounds:
    a, b = _checked(number_bounds, bound, "a"), _checked(number_bounds, bound, "b")
    return NumberBounds(min(a.least, b.least), max(a.most, b.most))


def _outcome_of_gauss(bound: Bound) -> NumberBounds:
    mean, deviation = _checked(number_bounds, bound, "mu"), _checked(number_bounds, bound, "sigma")
    farthest = arguments.SIGMAS * deviation.most
    return NumberBounds(mean.least - farthest, mean.most + farthest)


def _outcome_of_range(bound: Bound) -> ListBounds:
    start, stop, step = (_checked(integer_bounds, bound, key) for key in ("start", "stop", "step"))
    shortest = arguments.shortest_range(start, stop, step)
    longest = arguments.longest_range(start, stop, step)
    if all(part.least == part.most for part in (start, stop, step)):
        numbers = range(start.least, stop.least, step.least)
        return ListBounds(numbers, longest, longest, in_place=True, distinct=longest)
    numbers_between = IntegerBounds(min(start.least, stop.least), max(start.most, stop.most))
    return ListBounds([numbers_between], shortest, longest, distinct=shortest)


def _checked(read: Callable[[object], Read | None], bound: Bound, key: str) -> Read:
    """The bounds of an argument that `bind` accepted."""
    found = read(bound[key])
    if found is None:
        raise ArgumentsInvalid(f"has a {key} that was never checked")
    return found


def _distinct_unused(bound: Bound, used: UsedValues) -> Iterable[JsonValue]:
    population = bound["population"]
    counts = bound.get("counts") or [1] * len(population)
    distinct = {
        freeze(value): value for value, count in zip(population, counts, strict=True) if count
    }
    return (value for hashable, value in distinct.items() if hashable not in used.values)


def _draw_shuffle(generator: random.Random, bound: Bound) -> list[JsonValue]:
    shuffled = list(bound["population"])
    shuffle(shuffled, generator)
    return shuffled


def _draw_randint(generator: random.Random, bound: Bound) -> int:
    return generator.randint(bound["a"], bound["b"])


def _choose_randint(generator: random.Random, bound: Bound, used: UsedValues) -> list[JsonValue]:
    # The range may be huge, so this skips used values by counting and makes no list.
    taken = sorted(
        {int(value) for value in used.values if _is_whole(value) and _within(value, bound)}
    )
    left = bound["b"] - bound["a"] + 1 - len(taken)
    _require("randint", 1, left)
    value = bound["a"] + generator.randrange(left)
    for other in taken:
        value += other <= value
    return [value]


def _is_whole(value: object) -> TypeGuard[float]:
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def _within(value: float, bound: Bound) -> bool:
    inside: bool = bound["a"] <= value <= bound["b"]
    return inside


def _draw_uniform(generator: random.Random, bound: Bound) -> float:
    return generator.uniform(bound["a"], bound["b"])


def _draw_gauss(generator: random.Random, bound: Bound) -> float:
    return generator.gauss(bound.get("mu", 0.0), bound.get("sigma", 1.0))


def _no_number_left(name: str) -> Choose:
    # So many repeated floating-point numbers mean that the range contains very few of them.
    def choose(_generator: random.Random, _bound: Bound, _used: UsedValues) -> list[JsonValue]:
        raise TooFewValues(f"{name} found no new number in {MAX_DRAWS} draws; widen its range")

    return choose


def _draw_range(_generator: random.Random, bound: Bound) -> list[int]:
    return list(range(bound["start"], bound["stop"], bound["step"]))


def _require(name: str, wanted: int, left: int) -> None:
    if left < wanted:
        raise TooFewValues(
            f"{name} asks for {wanted} more unique value{'s' if wanted > 1 else ''}, "
            f"but {left or 'none'} of its values {'is' if left < 2 else 'are'} left"
        )


FUNCTIONS: Mapping[str, Function] = {
    function.name: function
    for function in (
        Function("choices", "choices(population, weights=None, *, cum_weights=None, k=1)",
                 arguments.bind_choices, _draw_choices, _outcome_of_choices, _choose_choices,
                 distinct_in_population),
        Function("sample", "sample(population, k, *, counts=None)",
                 arguments.bind_sample, _draw_sample, _outcome_of_sample, _choose_sample,
                 distinct_in_population),
        Function("shuffle", "shuffle(population)",
                 arguments.bind_shuffle, _draw_shuffle, _outcome_of_shuffle),
        Function("randint", "randint(a, b)",
                 arguments.bind_randint, _draw_randint, _outcome_of_randint, _choose_randint,
                 distinct_whole_numbers),
        Function("uniform", "uniform(a, b)", arguments.bind_uniform, _draw_uniform,
                 _outcome_of_uniform, _no_number_left("uniform"), distinct_numbers),
        Function("gauss", "gauss(mu=0.0, sigma=1.0)", arguments.bind_gauss, _draw_gauss,
                 _outcome_of_gauss, _no_number_left("gauss"), distinct_normal_numbers),
        Function("range", "range(stop) or range(start, stop, step=1)",
                 arguments.bind_range, _draw_range, _outcome_of_range),
        Function("rows", "rows(table, where={})",
                 trials.bind_rows, trials.draw_rows, trials.outcome_of_rows),
        Function("cross", "cross(factors, repeat=1, *, shuffle=True, max_run={})",
                 trials.bind_cross, trials.draw_cross, trials.outcome_of_cross),
    )
}  # fmt: skip
"""The registry: a config can call only these functions."""
