"""Random orders of trials with a limit on how often a value is repeated in a row.

Trials with the same values of all limited factors are of one kind; this module orders only kinds.
At each position, it draws from the kinds after which the rest can still be ordered. With a single
limit, this never fails. With several limits it can fail: then the search draws the last positions
again, for a limited number of steps. If that fails too, it exchanges trials of a known order at
random, and keeps the limits.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from experiment_server.limits.study import RUN_SEARCH_STEPS_MAX

Kind = tuple[int, ...]
"""The numbers of a trial's values, one for each limited factor."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The kinds of trials, the count of each kind, and the longest run of each limited factor."""

    kinds: tuple[Kind, ...]
    counts: tuple[int, ...]
    limits: tuple[int, ...]

    @property
    def length(self) -> int:
        """The number of trials."""
        return sum(self.counts)

    def keeps(self, order: Sequence[int]) -> bool:
        """Whether an order of kinds keeps the limits."""
        return all(
            _longest_run([self.kinds[kind][factor] for kind in order]) <= limit
            for factor, limit in enumerate(self.limits)
        )


@lru_cache(maxsize=256)
def known_order(plan: Plan) -> tuple[int, ...] | None:
    """An order of the kinds that keeps the limits, None if there is none or none was found.

    The result is the same for every call. The search takes at most `RUN_SEARCH_STEPS_MAX` steps.
    """
    generator = random.Random(0)
    for _ in range(_ATTEMPTS):
        found = _Search(plan, generator).run(_STEPS_PER_TRIAL * plan.length)
        if found is not None:
            return found
    return _Search(plan, generator, remember_failures=True).run(RUN_SEARCH_STEPS_MAX)


def random_order(plan: Plan, generator: random.Random) -> Sequence[int]:
    """A random order of the kinds that keeps the limits; `known_order` must have found one."""
    found = _Search(plan, generator).run(_STEPS_PER_TRIAL * plan.length)
    if found is not None:
        return found
    known = known_order(plan)
    if known is None:
        raise ValueError("no order keeps the limits")
    return _mixed(plan, list(known), generator)


_ATTEMPTS = 8
_STEPS_PER_TRIAL = 8


class _Search:
    """A backtracking search, which builds an order position by position."""

    def __init__(
        self, plan: Plan, generator: random.Random, *, remember_failures: bool = False
    ) -> None:
        self._plan = plan
        self._generator = generator
        self._left = list(plan.counts)
        self._total = plan.length
        # For each factor, the number of remaining trials with each value.
        self._values = [
            [0] * (1 + max(kind[factor] for kind in plan.kinds))
            for factor in range(len(plan.limits))
        ]
        for kind, count in zip(plan.kinds, plan.counts, strict=True):
            for factor, value in enumerate(kind):
                self._values[factor][value] += count
        self._order: list[int] = []
        # For each position, the length of the run that ends there, for each factor.
        self._runs: list[tuple[int, ...]] = []
        self._failed_states: set[tuple[tuple[int, ...], int, tuple[int, ...]]] | None = (
            set() if remember_failures else None
        )

    def run(self, steps: int) -> tuple[int, ...] | None:
        """An order, None if there is none or none was found in this number of steps."""
        ways = [self._candidates()]
        while self._total:
            steps -= 1
            if steps < 0:
                return None
            kind = self._take(ways[-1])
            if kind is not None:
                self._append(kind)
                ways.append(self._candidates())
                continue
            ways.pop()
            if not ways:
                return None
            self._remove_last()
        return tuple(self._order)

    def _candidates(self) -> list[int]:
        """The kinds that are possible at the next position."""
        return [kind for kind, left in enumerate(self._left) if left and self._fits(kind)]

    def _take(self, candidates: list[int]) -> int | None:
        """A random candidate, weighted by its remaining trials; it is removed from the list."""
        if not candidates:
            return None
        point = self._generator.random() * sum(self._left[kind] for kind in candidates)
        for position, kind in enumerate(candidates):
            point -= self._left[kind]
            if point < 0:
                return candidates.pop(position)
        return candidates.pop()

    def _runs_with(self, kind: int) -> tuple[int, ...]:
        values = self._plan.kinds[kind]
        if not self._order:
            return (1,) * len(values)
        before = self._plan.kinds[self._order[-1]]
        return tuple(
            run + 1 if value == last else 1
            for run, value, last in zip(self._runs[-1], values, before, strict=True)
        )

    def _fits(self, kind: int) -> bool:
        """Whether a kind may be next, so that for each single factor the rest can follow it.

        The values of a factor can be ordered if the other values separate the runs of each value
        into runs that are short enough.
        """
        runs = self._runs_with(kind)
        total = self._total - 1
        for factor, limit in enumerate(self._plan.limits):
            run = runs[factor]
            if run > limit:
                return False
            own = self._plan.kinds[kind][factor]
            values = self._values[factor]
            for value, left in enumerate(values):
                if value == own:
                    if left - 1 > limit - run + limit * (total - left + 1):
                        return False
                elif left > limit * (total - left + 1):
                    return False
        return self._failed_states is None or self._state(kind, runs) not in self._failed_states

    def _state(
        self, kind: int, runs: tuple[int, ...]
    ) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
        left = list(self._left)
        left[kind] -= 1
        return tuple(left), kind, runs

    def _append(self, kind: int) -> None:
        self._runs.append(self._runs_with(kind))
        self._order.append(kind)
        self._count(kind, -1)

    def _remove_last(self) -> None:
        kind, runs = self._order.pop(), self._runs.pop()
        self._count(kind, 1)
        if self._failed_states is not None:
            self._failed_states.add(self._state(kind, runs))

    def _count(self, kind: int, change: int) -> None:
        self._left[kind] += change
        self._total += change
        for factor, value in enumerate(self._plan.kinds[kind]):
            self._values[factor][value] += change


def _mixed(plan: Plan, order: list[int], generator: random.Random) -> list[int]:
    """An order after random exchanges of two positions; each exchange keeps the limits."""
    for _ in range(_STEPS_PER_TRIAL * len(order)):
        one, other = generator.randrange(len(order)), generator.randrange(len(order))
        order[one], order[other] = order[other], order[one]
        if not all(_keeps_around(plan, order, position) for position in (one, other)):
            order[one], order[other] = order[other], order[one]
    return order


def _keeps_around(plan: Plan, order: Sequence[int], position: int) -> bool:
    """Whether all runs around a position keep the limits."""
    for factor, limit in enumerate(plan.limits):
        around = order[max(0, position - limit) : position + limit + 1]
        if _longest_run([plan.kinds[kind][factor] for kind in around]) > limit:
            return False
    return True


def _longest_run(values: Sequence[int]) -> int:
    return max(_run_lengths(values), default=0)


def _run_lengths(values: Sequence[int]) -> Iterator[int]:
    length, last = 0, None
    for value in values:
        length = length + 1 if value == last else 1
        last = value
        yield length
