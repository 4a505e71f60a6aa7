"""One participant's blocks, out of a study.

All randomness of a participant comes from one generator, seeded with the study's seed plus the
participant's index, and is drawn in one fixed order: groups, inside groups, init blocks, final
blocks, then function calls in execution order. A participant's blocks therefore never depend on
who was expanded before.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import chain

from experiment_server.errors import ExpansionFailed
from experiment_server.study.functions import FUNCTIONS, TooFewValues, Used
from experiment_server.study.model import (
    NO_CELL,
    PLAIN,
    BetweenStrategy,
    Block,
    Cell,
    FunctionCall,
    Names,
    Study,
    TemplateValue,
)
from experiment_server.study.order import Step, arrange, arrange_groups, arrange_tree, walk_tree
from experiment_server.wire.values import JsonValue


def block_order(study: Study, participant_index: int) -> Names:
    """The names of a participant's blocks, in order, without expanding them."""
    return _order(study, participant_index, _generator(study, participant_index))


def condition_order(study: Study, participant_index: int) -> Names:
    """The part of a participant's block order that `order` rules: no init and final blocks."""
    return _ordered(study, participant_index, _generator(study, participant_index))


def condition_walk(study: Study, participant_index: int) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """The blocks of `condition_order` in a study with an order tree, with their ways through it."""
    tree = study.order.trees[cell_place(study, participant_index)]
    generator = _generator(study, participant_index)
    return walk_tree(tree, turn_of(study, participant_index), generator, study.random_seed)


def expand(study: Study, participant_index: int) -> tuple[Block, ...]:
    """A participant's blocks, fully expanded; participants count from 1.

    Raises ExpansionFailed when a function call cannot be served. The values are the caller's own:
    nothing in them is shared with the study or with another expansion.
    """
    generator = _generator(study, participant_index)
    names = _order(study, participant_index, generator)
    draws = _Draws(generator, participant_index)
    blocks = []
    for block_id, name in enumerate(names):
        template = study.blocks[name]
        config = template.config.copy()
        for key in template.deep:
            config[key] = draws.resolve(config[key])
        config["participant_index"] = participant_index
        config["name"] = name
        config["block_id"] = block_id
        blocks.append(Block(name, template.extends, config))
    return tuple(blocks)


def cell_of(study: Study, participant_index: int) -> Cell:
    """The cell of the between-subjects factors that a participant is in.

    The cells are gone through in turn, or, block-randomised, each run of as many participants as
    there are cells meets every cell once, in an order that only the study's seed decides.
    """
    if study.between is None:
        return NO_CELL
    return study.between.cells[cell_place(study, participant_index)]


def cell_place(study: Study, participant_index: int) -> int:
    """Which of the cells a participant is in, 0 where there are none."""
    if study.between is None:
        return 0
    cells = len(study.between.cells)
    run, place = divmod(participant_index - 1, cells)
    if study.between.strategy is BetweenStrategy.BLOCK_RANDOMIZE:
        shuffled = random.Random(f"between {study.random_seed} {run}")
        place = shuffled.sample(range(cells), cells)[place]
    return place


def turn_of(study: Study, participant_index: int) -> int:
    """The how-manyth of their cell a participant is, from 0.

    The orders are dealt anew in each cell, so that cell and order are crossed, not confounded.
    """
    return (participant_index - 1) // (len(study.between.cells) if study.between else 1)


def _generator(study: Study, participant_index: int) -> random.Random:
    if participant_index < 1:
        raise ValueError(f"participants count from 1, got {participant_index}")
    return random.Random(study.random_seed + participant_index)


def _ordered(study: Study, participant_index: int, generator: random.Random) -> Names:
    turn = turn_of(study, participant_index)
    if study.order.trees:
        tree = study.order.trees[cell_place(study, participant_index)]
        return tuple(arrange_tree(tree, turn, generator, study.random_seed))
    order = study.order.without(cell_of(study, participant_index).left_out)
    groups = arrange_groups(order, turn + 1, generator, study.random_seed)
    return tuple(chain.from_iterable(groups))


def _order(study: Study, participant_index: int, generator: random.Random) -> Names:
    ordered = _ordered(study, participant_index, generator)
    cell = cell_of(study, participant_index)
    turn = participant_index - 1
    first, last = (
        arrange(_present(edge.row(participant_index), cell), edge.strategy, turn, generator)
        for edge in (study.init_blocks, study.final_blocks)
    )
    return (*first, *ordered, *last)


def _present(names: Names, cell: Cell) -> Names:
    if not cell.left_out:
        return names
    return tuple(name for name in names if name not in cell.left_out)


class _Draws:
    """The function calls of one participant."""

    def __init__(self, generator: random.Random, participant_index: int) -> None:
        self._generator = generator
        self._participant_index = participant_index
        self._used: dict[str, Used] = {}

    def resolve(self, value: TemplateValue) -> JsonValue:
        """A fresh copy of a value, with every call in it replaced by what it drew."""
        # Nearly all values are plain; looking at them here saves a call for each, which is most
        # of the time of an expansion.
        if isinstance(value, dict):
            return {
                key: item if type(item) in PLAIN else self.resolve(item)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [item if type(item) in PLAIN else self.resolve(item) for item in value]
        if isinstance(value, FunctionCall):
            drawn = self._draw(value)
            return drawn if type(drawn) in PLAIN else self.resolve(drawn)
        return value

    def _draw(self, call: FunctionCall) -> JsonValue:
        function = FUNCTIONS[call.function_name]
        try:
            bound = call.bound
            if bound is None:
                bound = function.bind(self.resolve(call.args))
            if not call.unique:
                return function.draw(self._generator, bound)
            used = self._used.setdefault(call.group, Used())
            return function.draw_unique(self._generator, bound, used)
        except TooFewValues as problem:
            raise ExpansionFailed(
                f"participant {self._participant_index}: {problem} for them",
                "unique-exhausted",
                call.at,
            ) from None
        except Exception as error:
            raise ExpansionFailed(
                f"participant {self._participant_index}: {call.function_name} failed: {error}",
                "function-failed",
                call.at,
            ) from error
