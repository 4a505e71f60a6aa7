"""Orders: squares that balance, strategies that keep what they order."""

import math
import random
import tracemalloc
from collections import Counter
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.study.draws import Draws
from experiment_server.study.model import Group, Order, Strategy
from experiment_server.study.order import (
    balanced_row,
    balanced_rows,
    permutation,
    random_latin_square,
    shuffle,
)
from experiment_server.study.ordering import OrderedGroup, ordered_row

sizes = st.integers(min_value=2, max_value=13)


def balanced_latin_square(size):
    return tuple(balanced_row(size, row) for row in range(balanced_rows(size)))


def arranged(names, strategy, turn):
    """The names of a group in the order of a turn, as one text."""
    return "".join(OrderedGroup(Group(tuple(names), strategy)).names(turn, Draws(0, turn + 1)))


def test_the_first_row_alternates_from_both_ends():
    assert balanced_latin_square(6)[0] == (0, 1, 5, 2, 4, 3)
    assert balanced_latin_square(5)[:2] == ((0, 1, 4, 2, 3), (3, 2, 4, 1, 0))


def test_three_items_take_six_rows_and_each_is_second_twice():
    rows = balanced_latin_square(3)
    assert len(rows) == 6
    assert Counter(row[1] for row in rows) == {0: 2, 1: 2, 2: 2}


@given(sizes)
def test_a_square_holds_every_item_equally_often_at_every_position(size):
    rows = balanced_latin_square(size)
    assert len(rows) == (2 * size if size % 2 else size)
    for column in zip(*rows, strict=True):
        assert set(Counter(column).values()) == {len(rows) // size}


@given(sizes)
def test_a_square_lets_every_item_follow_every_other_equally_often(size):
    rows = balanced_latin_square(size)
    pairs = Counter(pair for row in rows for pair in pairwise(row))
    assert len(pairs) == size * (size - 1)
    assert len(set(pairs.values())) == 1


def test_a_single_item_has_a_single_row():
    assert balanced_latin_square(1) == ((0,),)


def test_the_square_of_a_long_list_is_never_made_as_a_whole():
    names = tuple(f"b{number}" for number in range(2000))
    tracemalloc.start()
    ordered = OrderedGroup(Group(names, Strategy.LATIN_SQUARE))
    for turn in range(200):
        assert len(ordered.names(turn, Draws(0, 1))) == 2000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ordered.rows == 2000
    assert peak < 10_000_000, "2,000 rows of 2,000 numbers take 32 MB"


def test_the_old_square_stops_after_as_many_rows_as_items():
    orders = [arranged("ABC", Strategy.LATIN_SQUARE_0_3, turn) for turn in range(6)]
    assert orders == ["ABC", "CBA", "BCA", "ABC", "CBA", "BCA"]


@pytest.mark.parametrize("size", range(1, 7))
def test_permutations_deal_every_order_once_in_a_cycle(size):
    rows = [permutation(size, turn) for turn in range(math.factorial(size))]
    assert sorted(rows) == sorted(permutations(range(size)))
    assert permutation(size, math.factorial(size)) == rows[0]


@given(st.integers(2, 8), st.integers(0, 50_000))
def test_each_run_of_permutations_is_a_latin_square(size, run):
    rows = [permutation(size, run * size + place) for place in range(size)]
    for column in zip(*rows, strict=True):
        assert sorted(column) == list(range(size))


@given(st.integers(1, 9), st.integers(-(2**40), 2**40))
def test_a_random_square_is_latin_and_its_seeds_own(size, seed):
    square = random_latin_square(size, seed)
    for line in (*square, *zip(*square, strict=True)):
        assert sorted(line) == list(range(size))
    random_latin_square.cache_clear()
    assert random_latin_square(size, seed) == square


@pytest.mark.parametrize(("size", "squares", "seeds"), [(2, 2, 400), (3, 12, 2400)])
def test_every_random_square_is_about_equally_likely(size, squares, seeds):
    met = Counter(random_latin_square(size, seed) for seed in range(seeds))
    assert len(met) == squares
    expected = seeds / squares
    chi_square = sum((count - expected) ** 2 / expected for count in met.values())
    assert chi_square < 3 * squares, "far beyond what chance gives one seed list in thousands"


def test_random_squares_of_four_reach_both_kinds_that_there_are():
    """Of the 576 squares of four, a quarter has a different structure from the cyclic ones."""

    def intercalates(square):
        pairs = [(a, b) for a in range(4) for b in range(a)]
        return sum(
            square[r][c] == square[s][d] and square[r][d] == square[s][c]
            for r, s in pairs
            for c, d in pairs
        )

    met = Counter(intercalates(random_latin_square(4, seed)) for seed in range(400))
    assert set(met) == {4, 12}
    assert 0.15 < met[12] / 400 < 0.35


def test_williams_is_the_balanced_square_by_its_other_name():
    for turn in range(12):
        rows = {
            arranged("ABCDE", strategy, turn)
            for strategy in (Strategy.LATIN_SQUARE, Strategy.WILLIAMS)
        }
        assert len(rows) == 1


@given(
    st.text("ABCDEFGH", max_size=8),
    st.sampled_from(Strategy),
    st.integers(min_value=0, max_value=999),
)
def test_every_strategy_keeps_the_items(names, strategy, turn):
    assert sorted(arranged(names, strategy, turn)) == sorted(names)


@given(st.sampled_from(Strategy), st.integers(min_value=0, max_value=999))
def test_only_randomize_draws(strategy, turn):
    draws = Draws(3, 4)
    OrderedGroup(Group(tuple("ABCD"), strategy)).names(turn, draws)
    untouched = draws.generator.random() == random.Random(7).random()
    assert untouched == (strategy is not Strategy.RANDOMIZE)


@given(st.lists(st.integers(), max_size=40), st.integers())
def test_a_shuffle_is_that_of_python(items, seed):
    shuffled, expected, generator = list(items), list(items), random.Random(seed)
    shuffle(shuffled, generator)
    other = random.Random(seed)
    other.shuffle(expected)
    assert shuffled == expected
    assert generator.random() == other.random()


def dealt(order, participant):
    """The names of a participant in a classic order."""
    row = (participant - 1) % len(order.rows)
    ordered = ordered_row(order, 0, frozenset(), row, 0)
    return "".join(ordered.names(participant - 1, Draws(0, participant)))


def test_the_order_inside_advances_once_per_cycle_of_the_groups():
    order = Order((((("A", "B")), ("C", "D")),), Strategy.LATIN_SQUARE, Strategy.LATIN_SQUARE)
    orders = [dealt(order, participant) for participant in range(1, 6)]
    assert orders == ["ABCD", "CDAB", "BADC", "DCBA", "ABCD"]


@pytest.mark.parametrize(
    ("groups_strategy", "expected"),
    [
        (Strategy.AS_IS, [0, 0, 0, 1, 1, 1]),
        (Strategy.RANDOMIZE, [0, 0, 0, 1, 1, 1]),
        (Strategy.LATIN_SQUARE_0_3, [0, 0, 0, 1, 1, 1]),
        (Strategy.LATIN_SQUARE, [0, 0, 0, 0, 0, 0, 1]),
        (Strategy.PERMUTATIONS, [0, 0, 0, 0, 0, 0, 1]),
        (Strategy.RANDOM_LATIN_SQUARE, [0, 0, 0, 1, 1, 1]),
    ],
)
def test_a_cycle_of_groups_is_their_number_or_their_squares_rows(groups_strategy, expected):
    groups = ("ab", "cd", "ef")
    order = Order((tuple(map(tuple, groups)),), groups_strategy, Strategy.LATIN_SQUARE)
    turned = []
    for participant in range(1, len(expected) + 1):
        names = dealt(order, participant)
        met = {names[place : place + 2] in groups for place in (0, 2, 4)}
        assert len(met) == 1, "all groups use one row"
        turned.append(int(met == {False}))
    assert turned == expected


def test_a_table_starts_over_when_its_keys_are_used_up():
    order = Order(((("A",),), (("B",),), (("C",),)))
    assert [dealt(order, participant) for participant in (1, 2, 3, 4, 9)] == [
        "A",
        "B",
        "C",
        "A",
        "C",
    ]
