"""Expansion in the plainest words: what the prepared one has to give, value for value.

Nothing is made ready here or kept, and Python's own `random` draws.
"""

from __future__ import annotations

import random
from itertools import chain
from typing import Any

from experiment_server.study.functions import FUNCTIONS, UsedValues
from experiment_server.study.model import (
    BetweenStrategy,
    Block,
    FunctionCall,
    Group,
    Strategy,
    Study,
)
from experiment_server.study.order import cycle_length, dealt_row


def plain_expansion(study: Study, participant_index: int) -> tuple[Block, ...]:
    """A participant's blocks."""
    generator = random.Random(study.random_seed + participant_index)
    used: dict[str, UsedValues] = {}
    blocks = []
    for block_id, name in enumerate(_order(study, participant_index, generator)):
        template = study.blocks[name]
        config = _resolved(template.config, generator, used)
        config |= {"participant_index": participant_index, "name": name, "block_id": block_id}
        blocks.append(Block(name, template.extends, config))
    return tuple(blocks)


def _order(study: Study, participant_index: int, generator: random.Random) -> list[str]:
    place, cells = 0, 1
    left_out: frozenset[str] = frozenset()
    if study.between is not None:
        cells = len(study.between.cells)
        run, place = divmod(participant_index - 1, cells)
        if study.between.strategy is BetweenStrategy.BLOCK_RANDOMIZE:
            shuffled = random.Random(f"between {study.random_seed} {run}")
            place = shuffled.sample(range(cells), cells)[place]
        left_out = study.between.cells[place].left_out
    turn = (participant_index - 1) // cells
    if study.order.trees:
        ordered = _tree(study.order.trees[place], turn, generator, study.random_seed)
    else:
        ordered = _groups(study, turn, left_out, generator)
    first, last = (
        _arranged(
            [name for name in edge.row(participant_index) if name not in left_out],
            edge.strategy,
            participant_index - 1,
            generator,
        )
        for edge in (study.init_blocks, study.final_blocks)
    )
    return [*first, *ordered, *last]


def _groups(
    study: Study, turn: int, left_out: frozenset[str], generator: random.Random
) -> list[str]:
    order, seed = study.order, study.random_seed
    row = order.rows[turn % len(order.rows)]
    groups = [[name for name in group if name not in left_out] for group in row]
    groups = [group for group in groups if group]
    cycle = cycle_length(order.groups_strategy, len(groups)) or len(groups) or 1
    arranged = _arranged(groups, order.groups_strategy, turn, generator, seed)
    within = order.within_groups_strategy
    inside = [_arranged(group, within, turn // cycle, generator, seed) for group in arranged]
    return list(chain.from_iterable(inside))


def _tree(group: Group, turn: int, generator: random.Random, seed: int) -> list[str]:
    names: list[str] = []
    cycle = cycle_length(group.strategy, len(group.items)) or 1
    for item in _arranged(group.items, group.strategy, turn, generator, seed)[: group.pick]:
        if isinstance(item, str):
            names.append(item)
        else:
            names += _tree(item, turn // cycle, generator, seed)
    return names


def _arranged(
    items: Any, strategy: Strategy, turn: int, generator: random.Random, seed: int = 0
) -> list[Any]:
    arranged = list(items)
    if strategy is Strategy.RANDOMIZE:
        generator.shuffle(arranged)
    elif strategy is not Strategy.AS_IS and arranged:
        arranged = [arranged[at] for at in dealt_row(strategy, len(arranged), turn, seed)]
    return arranged


def _resolved(value: Any, generator: random.Random, used: dict[str, UsedValues]) -> Any:
    """A copy of a value, with every call in it replaced by what it drew."""
    if isinstance(value, dict):
        return {key: _resolved(item, generator, used) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, generator, used) for item in value]
    if not isinstance(value, FunctionCall):
        return value
    function = FUNCTIONS[value.function_name]
    bound = function.bind(_resolved(value.args, generator, used))
    if value.unique:
        drawn = function.draw_unique(generator, bound, used.setdefault(value.group, UsedValues()))
    elif value.function_name in ("choices", "sample", "randint", "uniform", "gauss"):
        drawn = getattr(generator, value.function_name)(**bound)
    else:
        drawn = function.draw(generator, bound)
    return _resolved(drawn, generator, used)
