"""Which participant gets which order.

Sources: Bradley, J. V. (1958), Complete counterbalancing of immediate sequential effects in a Latin
square design, Journal of the American Statistical Association 53(282), 525-528, and Williams, E. J.
(1949), Experimental designs balanced for the estimation of residual effects of treatments,
Australian Journal of Scientific Research A 2(2), 149-168, for the balanced square; Jacobson, M. T.,
and Matthews, P. (1996), Generating uniformly distributed random Latin squares, Journal of
Combinatorial Designs 4(6), 405-437, for the random one.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeVar

from experiment_server.limits import LATIN_SQUARE_CELLS_VISITED_MAX
from experiment_server.study.model import NO_CELL, Between, Edge, Group, Names, Order, Strategy

Item = TypeVar("Item")
Row = tuple[int, ...]


@lru_cache(maxsize=64)
def balanced_latin_square(size: int) -> tuple[Row, ...]:
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


@lru_cache(maxsize=64)
def random_latin_square(size: int, seed: int) -> tuple[Row, ...]:
    """The rows of a Latin square over 0..size-1, drawn by the seed from all there are.

    Balances position, and carry-over only by chance. A random walk through the Latin squares
    (Jacobson and Matthews 1996), from a generator of its own.
    """
    generator = random.Random(f"random_latin_square {seed} {size}")
    # cube[row][column][symbol] is 1 where the symbol stands; a walk may pass through squares in
    # which one place is -1 ("improper" ones), and must not end in one.
    cube = [
        [[int((row + column) % size == symbol) for symbol in range(size)] for column in range(size)]
        for row in range(size)
    ]
    # Only steps that end in a square count, for only their chain is uniform; and their number is
    # random, because small squares fall into two halves that the steps alternate between.
    steps = min(size**3, LATIN_SQUARE_CELLS_VISITED_MAX // size**2)
    for _ in range(generator.randrange(steps, 2 * steps) if size > 1 else 0):
        improper = _walk(cube, None, generator)
        while improper is not None:
            improper = _walk(cube, improper, generator)
    return tuple(tuple(line.index(1) for line in plane) for plane in cube)


def _walk(
    cube: list[list[list[int]]], improper: tuple[int, int, int] | None, generator: random.Random
) -> tuple[int, int, int] | None:
    """One move; returns the place that is improper after it, if one is."""
    size = range(len(cube))
    x, y, z = improper or _empty_place(cube, generator)
    other_x = generator.choice([at for at in size if cube[at][y][z] == 1])
    other_y = generator.choice([at for at in size if cube[x][at][z] == 1])
    other_z = generator.choice([at for at in size if cube[x][y][at] == 1])
    for row in (x, other_x):
        for column in (y, other_y):
            for symbol in (z, other_z):
                moved = (row == other_x) + (column == other_y) + (symbol == other_z)
                cube[row][column][symbol] += -1 if moved % 2 else 1
    last = (other_x, other_y, other_z)
    return last if cube[other_x][other_y][other_z] == -1 else None


def _empty_place(cube: list[list[list[int]]], generator: random.Random) -> tuple[int, int, int]:
    while True:
        x, y, z = (generator.randrange(len(cube)) for _ in range(3))
        if cube[x][y][z] == 0:
            return x, y, z


def permutation(size: int, turn: int) -> Row:
    """The order of 0..size-1 for a turn in a cycle through all `size!` orders.

    Each run of `size` turns, from the first on, is a Latin square: the rotations of one order. So
    position is balanced long before the cycle is complete.
    """
    start, rotation = divmod(turn % math.factorial(size), size)
    left = list(range(1, size))
    order = [0]
    for remaining in range(size - 1, 0, -1):
        place, start = divmod(start, math.factorial(remaining - 1))
        order.append(left.pop(place))
    return tuple(order[rotation:] + order[:rotation])


def cycle_length(strategy: Strategy, size: int) -> int | None:
    """After how many turns the orders of `size` items start over; None where nothing is dealt."""
    if strategy in (Strategy.LATIN_SQUARE, Strategy.WILLIAMS):
        return len(balanced_latin_square(size))
    if strategy is Strategy.PERMUTATIONS:
        return math.factorial(size)
    if strategy in (Strategy.LATIN_SQUARE_0_3, Strategy.RANDOM_LATIN_SQUARE):
        return size
    return None


def dealt_row(strategy: Strategy, size: int, turn: int, seed: int) -> Row:
    """The order of 0..size-1 for a turn (0, 1, ...), for a strategy that has a cycle."""
    if strategy is Strategy.PERMUTATIONS:
        return permutation(size, turn)
    if strategy is Strategy.RANDOM_LATIN_SQUARE:
        return random_latin_square(size, seed)[turn % size]
    rows = balanced_latin_square(size)
    if strategy is Strategy.LATIN_SQUARE_0_3:
        # Release 0.3 stopped after as many rows as there are items, also where the square is odd.
        rows = rows[:size]
    return rows[turn % len(rows)]


def arrange(
    items: Sequence[Item], strategy: Strategy, turn: int, generator: random.Random, seed: int = 0
) -> list[Item]:
    """`items` in the order for the given turn (0, 1, ...). Only `randomize` draws.

    `seed` is the study's, for the strategies whose orders depend on it.
    """
    arranged = list(items)
    if strategy is Strategy.AS_IS or not arranged:
        return arranged
    if strategy is Strategy.RANDOMIZE:
        generator.shuffle(arranged)
        return arranged
    return [arranged[position] for position in dealt_row(strategy, len(arranged), turn, seed)]


def arrange_groups(
    order: Order, participant_index: int, generator: random.Random, seed: int = 0
) -> list[Names]:
    """The groups of one participant: arranged among themselves, then each inside.

    The order inside advances once per whole cycle of the groups, so that the two are crossed and
    not confounded; all groups of a participant use the same row.
    """
    groups = order.row(participant_index)
    turn = participant_index - 1
    cycle = cycle_length(order.groups_strategy, len(groups)) or len(groups)
    arranged = arrange(groups, order.groups_strategy, turn, generator, seed)
    inside = order.within_groups_strategy
    if inside is Strategy.AS_IS:
        return arranged
    return [tuple(arrange(group, inside, turn // cycle, generator, seed)) for group in arranged]


class Step(NamedTuple):
    """A group on the way to a block: the item that the block is in, and how it came to its place.

    The item is the `item`-th of the group as written, and the `place`-th that the participant
    meets. `row` is which of `rows` orders the participant has, (0, 1) where nothing is dealt.
    """

    group: Group
    item: int
    place: int
    row: int
    rows: int


def arrange_items(
    group: Group, items: Sequence[Item], turn: int, generator: random.Random, seed: int
) -> tuple[Sequence[Item], int]:
    """Those of a group's items that a participant meets, in order, and how many orders there are.

    `turn` counts the whole cycles of the groups around it: those inside advance by one row when
    all orders of these are used up.
    """
    if group.strategy is Strategy.AS_IS:
        return items[: group.pick], 1
    arranged = arrange(items, group.strategy, turn, generator, seed)
    return arranged[: group.pick], cycle_length(group.strategy, len(items)) or 1


def arrange_tree(group: Group, turn: int, generator: random.Random, seed: int = 0) -> list[str]:
    """The names of the blocks of one participant. A group draws before those inside it."""
    names: list[str] = []
    items, cycle = arrange_items(group, group.items, turn, generator, seed)
    for item in items:
        if isinstance(item, str):
            names.append(item)
        else:
            names += arrange_tree(item, turn // cycle, generator, seed)
    return names


def walk_tree(
    group: Group,
    turn: int,
    generator: random.Random,
    seed: int = 0,
    way: tuple[Step, ...] = (),
) -> Iterator[tuple[str, tuple[Step, ...]]]:
    """The names of `arrange_tree`, each with its way through the tree from the outermost group."""
    places, cycle = arrange_items(group, range(len(group.items)), turn, generator, seed)
    for place, at in enumerate(places):
        here = (*way, Step(group, at, place, turn % cycle, cycle))
        item = group.items[at]
        if isinstance(item, str):
            yield item, here
        else:
            yield from walk_tree(item, turn // cycle, generator, seed, here)


def tree_cycle(group: Group) -> int:
    """After how many turns the orders of a tree start over."""
    own = cycle_length(group.strategy, len(group.items)) or 1
    inside = (tree_cycle(item) for item in group.items if isinstance(item, Group))
    return own * math.lcm(1, *inside)


def whole_cycle(order: Order, between: Between | None, edges: Iterable[Edge]) -> int:
    """After how many participants the rows of tables and squares start over, in all cells."""
    cells = between.cells if between else [NO_CELL]
    if order.trees:
        orders = math.lcm(*map(tree_cycle, order.trees))
    else:
        orders = math.lcm(*(_cycle(order.without(cell.left_out)) for cell in cells))
    return math.lcm(len(cells) * orders, *(len(edge.rows) for edge in edges))


def _cycle(order: Order) -> int:
    cycles = []
    for groups in order.rows:
        among = cycle_length(order.groups_strategy, len(groups)) if groups else None
        inside = cycle_length(order.within_groups_strategy, len(groups[0])) if groups else None
        if inside and inside > 1:
            cycles.append((among or len(groups)) * inside)
        else:
            cycles.append(among or 1)
    return math.lcm(len(order.rows), *cycles)
