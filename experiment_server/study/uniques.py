"""Checks that unique calls have enough distinct values for every participant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from experiment_server.limits.study import TRIAL_EXPANSIONS_MAX
from experiment_server.study.diagnostics import Findings
from experiment_server.study.distinct_values import DistinctValues
from experiment_server.study.expand import block_order, cell_index
from experiment_server.study.functions import FUNCTIONS
from experiment_server.study.model import FunctionCall, Group, Rows, Study, TemplateValue


@dataclass(frozen=True, slots=True)
class _UniqueCall:
    """A unique call in a block, with the number of values that it draws and those that it has."""

    block: str
    call: FunctionCall
    distinct: DistinctValues

    def drawn_by(self, other: _UniqueCall) -> int:
        """The most of this call's values that another call can draw."""
        drawn, values, others = (
            other.distinct.drawn_max,
            self.distinct.values,
            other.distinct.values,
        )
        if other is self or values is None or others is None:
            return drawn
        return min(drawn, len(values & others))


def check_uniques(study: Study, kinds: int, findings: Findings) -> None:
    """Report unique calls that can run out of values for some participant."""
    groups: dict[str, list[_UniqueCall]] = defaultdict(list)
    for name, template in study.blocks.items():
        for call in _unique_calls(template.config):
            function = FUNCTIONS[call.function_name]
            if function.distinct_values is not None:
                # If an argument is a call, the arguments are bound only at each draw.
                bound = call.bound if call.bound is not None else function.bind(call.args)
                groups[call.group].append(_UniqueCall(name, call, function.distinct_values(bound)))
    if not groups:
        return
    participants = range(1, min(kinds, TRIAL_EXPANSIONS_MAX) + 1)
    for unique_calls in groups.values():
        for unique_call in {(item.call.at, item.block): item for item in unique_calls}.values():
            weights: dict[str, int] = defaultdict(int)
            for other in unique_calls:
                weights[other.block] += unique_call.drawn_by(other)
            wanted = max(_largest_sum(study, weights, participant) for participant in participants)
            if wanted > unique_call.distinct.available_min:
                findings.error(
                    "unique-exhausted",
                    f"{unique_call.call.function_name} may be asked for {wanted} unique "
                    "values in all by one participant, and is sure of "
                    f"{unique_call.distinct.available_min:.0f} only",
                    "give the call more values, use it in fewer blocks, or give calls that may "
                    "repeat each other's values different ids",
                    at=unique_call.call.at,
                )


def _unique_calls(value: TemplateValue) -> Iterator[FunctionCall]:
    """The unique calls in a value, including those in the arguments of other calls."""
    if isinstance(value, FunctionCall):
        if value.unique:
            yield value
        yield from _unique_calls(value.args)
    elif isinstance(value, (dict, list)) and not isinstance(value, Rows):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _unique_calls(item)


def _largest_sum(study: Study, weights: Mapping[str, int], participant_index: int) -> int:
    """The largest sum of weights of the blocks that such a participant gets."""
    if not study.order.trees:
        return sum(weights.get(name, 0) for name in block_order(study, participant_index))
    tree = study.order.trees[cell_index(study, participant_index)]
    around = (name for ends in study.ends for name in ends.row(participant_index))
    return sum(weights.get(name, 0) for name in around) + _largest_sum_in(tree, weights)


def _largest_sum_in(group: Group, weights: Mapping[str, int]) -> int:
    """The largest sum of weights of a group's blocks, for any choice of its picked items."""
    items = sorted(
        (
            weights.get(item, 0) if isinstance(item, str) else _largest_sum_in(item, weights)
            for item in group.items
        ),
        reverse=True,
    )
    return sum(items[: group.pick])
