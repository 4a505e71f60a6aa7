"""Which participant gets which order.

The balanced square follows Bradley, J. V. (1958), Complete counterbalancing of immediate
sequential effects in a Latin square design, Journal of the American Statistical Association
53(282), 525-528.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

from experiment_server.study.model import Names, Order, Strategy

Item = TypeVar("Item")


@lru_cache(maxsize=64)
def balanced_latin_square(size: int) -> tuple[tuple[int, ...], ...]:
    """The rows of a square over 0..size-1 that balances position and immediate carry-over.

    An even size takes `size` rows. An odd size takes `2 * size`, each row followed by its
    reverse: no fewer rows balance the carry-over. A single item has a single row.
    """
    first = [0, *((step + 1) // 2 if step % 2 else size - step // 2 for step in range(1, size))]
    rows = []
    for shift in range(size):
        row = tuple((item + shift) % size for item in first)
        rows.append(row)
        if size % 2 and size > 1:
            rows.append(row[::-1])
    return tuple(rows)


def square_rows(strategy: Strategy, size: int) -> tuple[tuple[int, ...], ...] | None:
    """The square that a strategy deals its orders from, or None for one that has no square."""
    if strategy is Strategy.LATIN_SQUARE:
        return balanced_latin_square(size)
    if strategy is Strategy.LATIN_SQUARE_0_3:
        # Release 0.3 stopped after as many rows as there are items, also where the square is odd.
        return balanced_latin_square(size)[:size]
    return None


def arrange(
    items: Sequence[Item], strategy: Strategy, turn: int, generator: random.Random
) -> list[Item]:
    """`items` in the order for the given turn (0, 1, ...). Only `randomize` draws."""
    arranged = list(items)
    if strategy is Strategy.RANDOMIZE:
        generator.shuffle(arranged)
        return arranged
    rows = square_rows(strategy, len(arranged)) if arranged else None
    if rows is None:
        return arranged
    return [arranged[position] for position in rows[turn % len(rows)]]


def arrange_groups(order: Order, participant_index: int, generator: random.Random) -> list[Names]:
    """The groups of one participant: arranged among themselves, then each inside.

    The order inside advances once per whole cycle of the groups, so that the two are crossed and
    not confounded; all groups of a participant use the same row.
    """
    groups = order.row(participant_index)
    turn = participant_index - 1
    square = square_rows(order.groups_strategy, len(groups))
    cycle = len(groups) if square is None else len(square)
    arranged = arrange(groups, order.groups_strategy, turn, generator)
    return [
        tuple(arrange(group, order.within_groups_strategy, turn // cycle, generator))
        for group in arranged
    ]
