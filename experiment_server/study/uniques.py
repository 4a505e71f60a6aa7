"""Whether unique calls find enough values for every participant, whatever is drawn before them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from experiment_server.limits import TRIAL_EXPANSIONS_MAX
from experiment_server.study.diagnostics import Findings
from experiment_server.study.expand import block_order, cell_place
from experiment_server.study.functions import FUNCTIONS
from experiment_server.study.model import FunctionCall, Group, Rows, Study, TemplateValue
from experiment_server.study.supply import Supply


@dataclass(frozen=True, slots=True)
class _Need:
    """A unique call in a block, and what it takes and has."""

    block: str
    call: FunctionCall
    supply: Supply

    def taken_by(self, other: _Need) -> int:
        """How many of this call's values another one takes from it at most."""
        takes, values, theirs = other.supply.takes, self.supply.values, other.supply.values
        if other is self or values is None or theirs is None:
            return takes
        return min(takes, len(values & theirs))


def check_uniques(study: Study, kinds: int, findings: Findings) -> None:
    """Report unique calls for which too few values can be left for some participant."""
    groups: dict[str, list[_Need]] = defaultdict(list)
    for name, template in study.blocks.items():
        for call in _unique_calls(template.config):
            function = FUNCTIONS[call.function_name]
            if function.supply is not None:
                # With a call among the arguments the bound ones are there only when it is drawn.
                bound = call.bound if call.bound is not None else function.bind(call.args)
                groups[call.group].append(_Need(name, call, function.supply(bound)))
    if not groups:
        return
    participants = range(1, min(kinds, TRIAL_EXPANSIONS_MAX) + 1)
    for needs in groups.values():
        for need in {(item.call.at, item.block): item for item in needs}.values():
            weights: dict[str, int] = defaultdict(int)
            for other in needs:
                weights[other.block] += need.taken_by(other)
            wanted = max(_most(study, weights, participant) for participant in participants)
            if wanted > need.supply.has:
                findings.error(
                    "unique-exhausted",
                    f"{need.call.function_name} may be asked for {wanted} unique values in all by "
                    f"one participant, and is sure of {need.supply.has:.0f} only",
                    "give the call more values, use it in fewer blocks, or give calls that may "
                    "repeat each other's values different ids",
                    at=need.call.at,
                )


def _unique_calls(value: TemplateValue) -> Iterator[FunctionCall]:
    """The unique calls in a value, those among the arguments of others included."""
    if isinstance(value, FunctionCall):
        if value.unique:
            yield value
        yield from _unique_calls(value.args)
    elif isinstance(value, (dict, list)) and not isinstance(value, Rows):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _unique_calls(item)


def _most(study: Study, weights: Mapping[str, int], participant_index: int) -> int:
    """The most that the blocks of a participant of this kind weigh together."""
    if not study.order.trees:
        return sum(weights.get(name, 0) for name in block_order(study, participant_index))
    tree = study.order.trees[cell_place(study, participant_index)]
    around = (name for ends in study.ends for name in ends.row(participant_index))
    return sum(weights.get(name, 0) for name in around) + _most_in(tree, weights)


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
