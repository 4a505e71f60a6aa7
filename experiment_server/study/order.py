"""The order for each turn of a strategy, and the shuffling of lists.

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
from functools import lru_cache
from typing import TypeVar

from experiment_server.limits.study import LATIN_SQUARE_CELLS_VISITED_MAX
from experiment_server.study.model import Strategy

Item = TypeVar("Item")
Row = tuple[int, ...]


def balanced_rows(size: int) -> int:
    """The number of rows of a square that balances position and immediate carry-over.

    An even size takes `size` rows. An odd size takes `2 * size`, each row followed by its
    reverse: no fewer rows balance the carry-over. A single item has a single row.
    """
    return 2 * size if size % 2 and size > 1 else size


def balanced_row(size: int, row: int) -> Row:
    """A row of the balanced square over 0..size-1, without the other rows: squares may be huge."""
    shift, is_reversed = divmod(row, 2) if size % 2 and size > 1 else (row, 0)
    first = [0, *((step + 1) // 2 if step % 2 else size - step // 2 for step in range(1, size))]
    items = tuple((item + shift) % size for item in first)
    return items[::-1] if is_reversed else items


@lru_cache(maxsize=64)
def random_latin_square(size: int, seed: int) -> tuple[Row, ...]:
    """The rows of a random Latin square over 0..size-1; the seed decides which one.

    The square balances position, and carry-over only by chance. The algorithm is a random walk
    through the Latin squares (Jacobson and Matthews 1996), with its own generator.
    """
    generator = random.Random(f"random_latin_square {seed} {size}")
    # cube[row][column][symbol] is 1 if the cell has the symbol. The walk may pass through squares
    # in which one entry is -1 ("improper" squares), and must not end in one.
    cube = [
        [[int((row + column) % size == symbol) for symbol in range(size)] for column in range(size)]
        for row in range(size)
    ]
    # Only steps that end in a proper square count, because only their chain is uniform. Their
    # number is random, because small squares form two halves, and each step changes the half.
    steps = min(size**3, LATIN_SQUARE_CELLS_VISITED_MAX // size**2)
    for _ in range(generator.randrange(steps, 2 * steps) if size > 1 else 0):
        improper = _walk(cube, None, generator)
        while improper is not None:
            improper = _walk(cube, improper, generator)
    return tuple(tuple(line.index(1) for line in plane) for plane in cube)


def _walk(
    cube: list[list[list[int]]], improper: tuple[int, int, int] | None, generator: random.Random
) -> tuple[int, int, int] | None:
    """One step of the walk; returns the improper entry after it, if there is one."""
    size = range(len(cube))
    x, y, z = improper or _empty_cell(cube, generator)
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


def _empty_cell(cube: list[list[list[int]]], generator: random.Random) -> tuple[int, int, int]:
    while True:
        x, y, z = (generator.randrange(len(cube)) for _ in range(3))
        if cube[x][y][z] == 0:
            return x, y, z


def permutation(size: int, turn: int) -> Row:
    """The order of 0..size-1 for a turn in a cycle through all `size!` orders.

    Each run of `size` turns, from the first on, is a Latin square with the rotations of one order,
    so position is balanced long before the cycle is complete.
    """
    start, rotation = divmod(turn % math.factorial(size), size)
    left = list(range(1, size))
    order = [0]
    for remaining in range(size - 1, 0, -1):
        index, start = divmod(start, math.factorial(remaining - 1))
        order.append(left.pop(index))
    return tuple(order[rotation:] + order[:rotation])


def cycle_length(strategy: Strategy, size: int) -> int | None:
    """The number of turns after which the orders of `size` items repeat; None without a cycle."""
    if strategy in (Strategy.LATIN_SQUARE, Strategy.WILLIAMS):
        return balanced_rows(size)
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
    # Release 0.3 used only as many rows as there are items, also for squares of odd size.
    rows = size if strategy is Strategy.LATIN_SQUARE_0_3 else balanced_rows(size)
    return balanced_row(size, turn % rows)


def shuffle(items: list[Item], generator: random.Random) -> None:
    """Shuffle a list in place.

    The draws and their order are those of `random.shuffle` today. Python may change that function
    between versions, and a running study must not change.
    """
    bits = generator.getrandbits
    for last in range(len(items) - 1, 0, -1):
        size = (last + 1).bit_length()
        index = bits(size)
        while index > last:
            index = bits(size)
        items[last], items[index] = items[index], items[last]
