"""The functions that a config may call: those of Python's `random`, and those for trials.

Each draws only from the generator it is given, so that a participant's draws are the same in
every run.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeGuard, TypeVar

from experiment_server.study import arguments, trials
from experiment_server.study.arguments import ArgumentsInvalid, Bound, listed, number, whole
from experiment_server.study.model import PLAIN
from experiment_server.study.order import shuffle
from experiment_server.study.possible import Listed, Number, Possible, Whole
from experiment_server.study.supply import (
    Supply,
    freeze,
    least_distinct,
    supply_of_normal_numbers,
    supply_of_numbers,
    supply_of_population,
    supply_of_whole_numbers,
)
from experiment_server.wire.values import JsonObject, JsonValue

Read = TypeVar("Read")

MAX_DRAWS = 22
"""Draws before `unique` chooses from what is left: one, and the 21 repeats of release 0.3.9."""


class TooFewValues(Exception):
    """Fewer values are left than a unique call asks for."""


class Used:
    """The values that a group of unique calls has given out to one participant."""

    def __init__(self) -> None:
        self.values: set[Hashable] = set()

    def add_new(self, values: Iterable[JsonValue]) -> bool:
        """Mark values as given out; False, and nothing is marked, if one of them repeats."""
        fresh = set()
        for value in values:
            stand_in = value if type(value) in PLAIN else freeze(value)
            if stand_in in self.values or stand_in in fresh:
                return False
            fresh.add(stand_in)
        self.values |= fresh
        return True


Draw = Callable[[random.Random, Bound], JsonValue]
"""One draw: a list of values, or for functions of numbers a single one."""

Choose = Callable[[random.Random, Bound, Used], list[JsonValue]]
"""Values chosen exactly from what is left; raises TooFewValues if that is too little."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the registry.

    `bind` turns the file's list or table of arguments into keyword arguments, or raises
    ArgumentsInvalid. `outcome` says what a draw with such arguments can be. `choose` makes the
    last resort of a unique draw, and `supply` says how many different values there are for certain;
    functions without these two cannot be unique, because a repeated value means nothing for them.
    """

    name: str
    signature: str
    bind: Callable[[JsonValue], JsonObject]
    draw: Draw
    outcome: Callable[[Bound], Possible]
    choose: Choose | None = None
    supply: Callable[[Bound], Supply] | None = None

    def draw_unique(self, generator: random.Random, bound: Bound, used: Used) -> JsonValue:
        """A draw without a repeated value, neither inside it nor against `used`.

        Raises TooFewValues only when fewer values are left than the draw needs.
        """
        draw = self.draw
        for _ in range(MAX_DRAWS):
            drawn = draw(generator, bound)
            if used.add_new(drawn if isinstance(drawn, list) else (drawn,)):
                return drawn
        values = self.draw_unused(generator, bound, used)
        return values if isinstance(drawn, list) else values[0]

    def draw_unused(self, generator: random.Random, bound: Bound, used: Used) -> list[JsonValue]:
        """A draw from what is left alone, after draws that all met used values."""
        if self.choose is None:
            raise TooFewValues(f"{self.name} cannot be unique")
        values = self.choose(generator, bound, used)
        used.add_new(values)
        return values


def _draw_choices(generator: random.Random, bound: Bound) -> list[JsonValue]:
    if "weights" in bound or "cum_weights" in bound:
        return generator.choices(**bound)
    # As random.choices has it, which takes twice the time for a single value.
    population, draw = bound["population"], generator.random
    size = len(population)
    return [population[int(draw() * size)] for _ in range(bound.get("k", 1))]


def _choose_choices(generator: random.Random, bound: Bound, used: Used) -> list[JsonValue]:
    left, weights = _left_of_choices(bound, used)
    wanted = bound.get("k", 1)
    _require("choices", wanted, len(left))
    chosen = []
    for _ in range(wanted):
        position = generator.choices(range(len(left)), weights)[0]
        chosen.append(left.pop(position))
        weights.pop(position)
    return chosen


def _left_of_choices(bound: Bound, used: Used) -> tuple[list[JsonValue], list[float]]:
    """The distinct values that are not used, each with the sum of its weights."""
    population = list(bound["population"])
    weights = bound.get("weights")
    if "cum_weights" in bound:
        weights = arguments.differences(bound["cum_weights"])
    summed: dict[Hashable, tuple[JsonValue, float]] = {}
    for value, weight in zip(population, weights or [1] * len(population), strict=True):
        stand_in = freeze(value)
        if weight > 0 and stand_in not in used.values:
            summed[stand_in] = (value, summed.get(stand_in, (value, 0.0))[1] + weight)
    left = list(summed.values())
    return [value for value, _ in left], [weight for _, weight in left]


def _draw_sample(generator: random.Random, bound: Bound) -> list[JsonValue]:
    return generator.sample(list(bound["population"]), bound["k"], counts=bound.get("counts"))


def _choose_sample(generator: random.Random, bound: Bound, used: Used) -> list[JsonValue]:
    left = list(_distinct_unused(bound, used))
    _require("sample", bound["k"], len(left))
    return generator.sample(left, bound["k"])


def _drawn_from(bound: Bound, amount: Whole, distinct: int) -> Listed:
    return Listed(_checked(listed, bound, "population").items, amount.least, amount.most,
                  distinct=max(distinct, min(1, amount.least)))  # fmt: skip


def _outcome_of_choices(bound: Bound) -> Listed:
    return _drawn_from(bound, _checked(whole, {"k": 1, **bound}, "k"), 0)


def _outcome_of_sample(bound: Bound) -> Listed:
    amount = _checked(whole, bound, "k")
    if bound.get("counts") is not None:
        return _drawn_from(bound, amount, 0)
    # What is left behind is in the worst case no repetition.
    population = _checked(listed, bound, "population")
    repeated = population.longest - least_distinct(population)
    return _drawn_from(bound, amount, amount.least - repeated)


def _outcome_of_shuffle(bound: Bound) -> Listed:
    population = _checked(listed, bound, "population")
    return Listed(population.items, population.shortest, population.longest,
                  distinct=least_distinct(population))  # fmt: skip


def _outcome_of_randint(bound: Bound) -> Whole:
    return Whole(_checked(whole, bound, "a").least, _checked(whole, bound, "b").most)


def _outcome_of_uniform(bound: Bound) -> Number:
    a, b = _checked(number, bound, "a"), _checked(number, bound, "b")
    return Number(min(a.least, b.least), max(a.most, b.most))


def _outcome_of_gauss(bound: Bound) -> Number:
    mean, deviation = _checked(number, bound, "mu"), _checked(number, bound, "sigma")
    farthest = arguments.SIGMAS * deviation.most
    return Number(mean.least - farthest, mean.most + farthest)


def _outcome_of_range(bound: Bound) -> Listed:
    start, stop, step = (_checked(whole, bound, key) for key in ("start", "stop", "step"))
    shortest = arguments.shortest_range(start, stop, step)
    longest = arguments.longest_range(start, stop, step)
    if all(part.least == part.most for part in (start, stop, step)):
        numbers = range(start.least, stop.least, step.least)
        return Listed(numbers, longest, longest, in_place=True, distinct=longest)
    numbers_between = Whole(min(start.least, stop.least), max(start.most, stop.most))
    return Listed([numbers_between], shortest, longest, distinct=shortest)


def _checked(read: Callable[[object], Read | None], bound: Bound, key: str) -> Read:
    """What an argument that was accepted can be."""
    found = read(bound[key])
    if found is None:
        raise ArgumentsInvalid(f"has a {key} that was never checked")
    return found


def _distinct_unused(bound: Bound, used: Used) -> Iterable[JsonValue]:
    population = bound["population"]
    counts = bound.get("counts") or [1] * len(population)
    distinct = {
        freeze(value): value for value, count in zip(population, counts, strict=True) if count
    }
    return (value for stand_in, value in distinct.items() if stand_in not in used.values)


def _draw_shuffle(generator: random.Random, bound: Bound) -> list[JsonValue]:
    shuffled = list(bound["population"])
    shuffle(shuffled, generator)
    return shuffled


def _draw_randint(generator: random.Random, bound: Bound) -> int:
    return generator.randint(bound["a"], bound["b"])


def _choose_randint(generator: random.Random, bound: Bound, used: Used) -> list[JsonValue]:
    # The range may be huge: what is used is skipped by counting, nothing is listed.
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
    # So many collisions in a row of floating-point numbers mean a range of very few of them.
    def choose(_generator: random.Random, _bound: Bound, _used: Used) -> list[JsonValue]:
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
                 supply_of_population),
        Function("sample", "sample(population, k, *, counts=None)",
                 arguments.bind_sample, _draw_sample, _outcome_of_sample, _choose_sample,
                 supply_of_population),
        Function("shuffle", "shuffle(population)",
                 arguments.bind_shuffle, _draw_shuffle, _outcome_of_shuffle),
        Function("randint", "randint(a, b)",
                 arguments.bind_randint, _draw_randint, _outcome_of_randint, _choose_randint,
                 supply_of_whole_numbers),
        Function("uniform", "uniform(a, b)", arguments.bind_uniform, _draw_uniform,
                 _outcome_of_uniform, _no_number_left("uniform"), supply_of_numbers),
        Function("gauss", "gauss(mu=0.0, sigma=1.0)", arguments.bind_gauss, _draw_gauss,
                 _outcome_of_gauss, _no_number_left("gauss"), supply_of_normal_numbers),
        Function("range", "range(stop) or range(start, stop, step=1)",
                 arguments.bind_range, _draw_range, _outcome_of_range),
        Function("rows", "rows(table, where={})",
                 trials.bind_rows, trials.draw_rows, trials.outcome_of_rows),
        Function("cross", "cross(factors, repeat=1, *, shuffle=True, max_run={})",
                 trials.bind_cross, trials.draw_cross, trials.outcome_of_cross),
    )
}  # fmt: skip
"""The registry: a config can call what is in here, and nothing else."""
