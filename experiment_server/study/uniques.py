"""Whether unique calls find enough values for every participant, whatever is drawn before them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiment_server.limits import TRIAL_EXPANSIONS
from experiment_server.study.arguments import listed, number, whole
from experiment_server.study.diagnostics import Findings
from experiment_server.study.expand import block_order, cell_place
from experiment_server.study.functions import FUNCTIONS, freeze, is_known, least_distinct
from experiment_server.study.model import FunctionCall, Group, Study

CROWDED = 2**-20
"""The share of its numbers that a call for numbers may give out: it is drawn a limited number of
times, and must not meet a used one each time."""


@dataclass(frozen=True, slots=True)
class _Need:
    """A unique call in a block: how many values it takes at most, and how many it is sure to have.

    `values` are these, where they are the same for everybody and can be listed.
    """

    block: str
    call: FunctionCall
    takes: int
    has: float
    values: frozenset[Hashable] | None

    def taken_by(self, other: _Need) -> int:
        """How many of this call's values another one takes from it at most."""
        if other is self or self.values is None or other.values is None:
            return other.takes
        return min(other.takes, len(self.values & other.values))


def check_uniques(study: Study, kinds: int, findings: Findings) -> None:
    """Report unique calls for which too few values can be left for some participant."""
    groups: dict[str, list[_Need]] = defaultdict(list)
    for name, template in study.blocks.items():
        for call in _unique_calls(template.config):
            groups[call.group].append(_need(name, call))
    if not groups:
        return
    participants = range(1, min(kinds, TRIAL_EXPANSIONS) + 1)
    for needs in groups.values():
        for need in {(item.call.at, item.block): item for item in needs}.values():
            weights: dict[str, int] = defaultdict(int)
            for other in needs:
                weights[other.block] += need.taken_by(other)
            wanted = max(_most(study, weights, participant) for participant in participants)
            if wanted > need.has:
                findings.error(
                    "unique-exhausted",
                    f"{need.call.function_name} may be asked for {wanted} unique values in all by "
                    f"one participant, and is sure of {need.has:.0f} only",
                    "give the call more values, use it in fewer blocks, or give calls that may "
                    "repeat each other's values different ids",
                    at=need.call.at,
                )


def _unique_calls(value: Any) -> Iterator[FunctionCall]:
    """The unique calls in a value, those among the arguments of others included."""
    if isinstance(value, FunctionCall):
        if value.unique:
            yield value
        yield from _unique_calls(value.args)
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _unique_calls(item)


def _most(study: Study, weights: Mapping[str, int], participant_index: int) -> int:
    """The most that the blocks of a participant of this kind weigh together."""
    if not study.order.trees:
        return sum(weights.get(name, 0) for name in block_order(study, participant_index))
    edges = (study.init_blocks, study.final_blocks)
    tree = study.order.trees[cell_place(study, participant_index)]
    around = sum(weights.get(name, 0) for edge in edges for name in edge.row(participant_index))
    return around + _most_in(tree, weights)


def _most_in(group: Group, weights: Mapping[str, int]) -> int:
    """The most that the blocks of a group weigh together, whichever of its items are picked."""
    items = sorted(
        (
            weights.get(item, 0) if isinstance(item, str) else _most_in(item, weights)
            for item in group.items
        ),
        reverse=True,
    )
    return sum(items[: group.pick])


def _need(block: str, call: FunctionCall) -> _Need:
    # With a call among the arguments the bound ones are only there when it is drawn.
    bound = call.bound if call.bound is not None else FUNCTIONS[call.function_name].bind(call.args)
    if call.function_name in ("choices", "sample"):
        takes = whole(bound.get("k", 1))
        most = takes.most if takes else 0
        values = _known_values(bound)
        if values is not None:
            return _Need(block, call, most, len(values), values)
        return _Need(block, call, most, _least_values(bound), None)
    if call.function_name == "randint":
        low, high = whole(bound["a"]), whole(bound["b"])
        return _Need(block, call, 1, high.least - low.most + 1 if low and high else 0, None)
    return _Need(block, call, 1, _numbers(call.function_name, bound), None)


def _known_values(bound: Mapping[str, Any]) -> frozenset[Hashable] | None:
    """The different values that a draw can have, where they are known."""
    population = bound["population"]
    if not isinstance(population, (list, str)) or not is_known(population):
        return None
    weights: Sequence[Any] = [1] * len(population)
    for key in ("weights", "cum_weights", "counts"):
        if bound.get(key) is not None:
            given = bound[key]
            if not isinstance(given, list) or not is_known(given):
                return None
            weights = given
            if key == "cum_weights":
                weights = [
                    after - before for before, after in zip([0, *given], given, strict=False)
                ]
    return frozenset(
        freeze(value) for value, weight in zip(population, weights, strict=True) if weight > 0
    )


def _least_values(bound: Mapping[str, Any]) -> int:
    if any(bound.get(key) is not None for key in ("weights", "cum_weights", "counts")):
        return 1
    population = listed(bound["population"])
    return least_distinct(population) if population else 0


def _numbers(function_name: str, bound: Mapping[str, Any]) -> float:
    """How many numbers a call for numbers can safely give out."""
    if function_name == "gauss":
        deviation = number(bound["sigma"])
        return math.inf if deviation and deviation.least > 0 else 1
    low, high = number(bound["a"]), number(bound["b"])
    if low is None or high is None:
        return 0
    narrowest = max(high.least - low.most, low.least - high.most, 0.0)
    spacing = math.ulp(max(abs(low.least), abs(low.most), abs(high.least), abs(high.most)))
    return max(1.0, narrowest / spacing * CROWDED)
