"""The design report: counts of position and carry-over, and what its sentence says of them."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.study.balance import balance, usual_participants
from experiment_server.study.expand import block_order
from experiment_server.study.parse import parse
from tests.studies import of_techniques, without_settings

NAMES = "ABCDEFGHIJKLM"


def flat(size, strategy, extra=""):
    order = f'order = {list(NAMES[:size])}\ngroups_strategy = "{strategy}"\n'
    return parse(without_settings(NAMES[:size], order + extra)).require()


@given(st.integers(2, 12), st.integers(1, 3))
def test_whole_cycles_of_the_balanced_square_are_balanced(size, times):
    study = flat(size, "williams")
    cycle = usual_participants(study)
    report = balance(study, cycle * times)
    assert report.balanced == {"position": True, "carry_over": True}
    assert {count for row in report.positions for count in row} == {cycle * times // size}
    assert report.better == ()
    assert report.repeats == 0


@pytest.mark.parametrize("size", [3, 5, 7, 9])
def test_an_odd_square_at_its_half_is_not_balanced_and_the_whole_is_named(size):
    report = balance(flat(size, "latin_square"), size)
    assert not report.balanced["carry_over"]
    assert report.better == (2 * size,)
    assert f"{2 * size} would balance more" in report.sentence


@given(
    st.integers(2, 6), st.sampled_from(["as_is", "randomize", "permutations"]), st.integers(1, 9)
)
def test_the_counts_are_those_of_the_orders(size, strategy, participants):
    study = flat(size, strategy)
    orders = [block_order(study, index) for index in range(1, participants + 1)]
    report = balance(study, participants)
    positions = Counter(place for order in orders for place in enumerate(order))
    pairs = Counter(pair for order in orders for pair in pairwise(order))
    for row, name in enumerate(report.conditions):
        assert list(report.positions[row]) == [positions[at, name] for at in range(size)]
        assert list(report.carry_over[row]) == [pairs[name, next_] for next_ in report.conditions]


def test_a_number_between_two_cycles_names_both():
    report = balance(flat(4, "latin_square"), 6)
    assert report.better == (4, 8)
    assert report.sentence == (
        "6 participants: not balanced for position (counts from 1 to 2) and carry-over "
        "(counts from 1 to 2); 4 or 8 would balance more."
    )


def test_shuffled_orders_and_fixed_ones_say_why_they_are_not_balanced():
    assert balance(flat(9, "randomize"), 10).sentence.endswith("balance only by chance.")
    assert balance(flat(3, "as_is"), 10).sentence.endswith("no number nearby balances more.")


def test_a_single_condition_has_nothing_to_balance():
    assert balance(flat(1, "as_is"), 3).sentence == "3 participants: there is nothing to balance."


def test_init_and_final_blocks_are_left_out():
    study = flat(3, "as_is", 'init_blocks = ["A"]\nfinal_blocks = ["B", "B"]\n')
    report = balance(study, 2)
    assert report.positions == ((2, 0, 0), (0, 2, 0), (0, 0, 2))
    assert report.repeats == 0


def test_neighbours_that_are_the_same_condition_are_counted():
    study = parse(without_settings("AB", 'order = ["A", "A", "B"]')).require()
    assert balance(study, 5).repeats == 5


BETWEEN = """
[configuration]
order = ["{size}-{device}"]
within_groups_strategy = "latin_square"
between = ["device"]
[configuration.factors]
size = ["s", "m", "l", "xl"]
device = ["mouse", "pen"]
[[blocks]]
name = "{size}-{device}"
factors = ["size", "device"]
"""


def test_between_subjects_cells_are_counted_and_balanced_inside():
    study = parse(BETWEEN).require()
    assert usual_participants(study) == 8
    report = balance(study, 8)
    assert report.balanced == {"cells": True, "position": True, "carry_over": True}
    assert [(cell.levels, cell.participants) for cell in report.cells] == [
        ({"device": "mouse"}, 4),
        ({"device": "pen"}, 4),
    ]
    odd = balance(study, 9)
    assert odd.balanced == {"cells": False, "position": False, "carry_over": False}
    assert odd.better == (8, 16)
    assert "the between-subjects cells (counts from 4 to 5)" in odd.sentence


def test_a_tree_is_reported_group_by_group_and_factor_by_factor():
    report = balance(parse(of_techniques()).require(), 6)
    technique, conditions = report.groups
    assert (technique.name, technique.strategy) == ("technique", "latin_square")
    assert technique.items == ("ray", "hand", "gaze")
    assert technique.positions == ((2, 2, 2),) * 3
    assert technique.carry_over == ((0, 2, 2), (2, 0, 2), (2, 2, 0))
    assert technique.balanced == {"position": True, "carry_over": True}
    assert (conditions.name, conditions.items) == ("conditions", ("small", "large"))
    assert [sum(row) for row in conditions.positions] == [18, 18]
    assert conditions.balanced == {}
    factor, size = report.factors
    assert (factor.name, factor.positions) == ("technique", ((2, 2, 2),) * 3)
    assert factor.carry_over == ((6, 2, 2), (2, 6, 2), (2, 2, 6))
    assert (size.items, sum(map(sum, size.positions))) == (("small", "large"), 12)


def test_practice_questionnaires_and_fixed_blocks_of_a_tree_are_no_conditions():
    report = balance(parse(of_techniques()).require(), 6)
    assert all(name.startswith("select-") for name in report.conditions)
    assert len(report.conditions) == 6


def test_the_sentence_about_a_tree_names_its_groups():
    study = parse(of_techniques()).require()
    assert usual_participants(study) == 6
    whole = balance(study, 6)
    assert whole.balanced == {"position": True, "carry_over": True}
    assert whole.sentence.startswith(
        "6 participants: technique balanced for position and carry-over;"
    )
    assert "conditions shuffled for each participant" in whole.sentence
    half = balance(study, 4)
    assert "technique not balanced for position (counts from 0 to 2)" in half.sentence
    assert half.better == (6,)


def test_blocks_that_are_no_condition_are_left_out_of_a_plain_order_too():
    study = parse(
        without_settings("AB", 'order = ["A", "pause", "B"]')
        + '[[blocks]]\nname = "pause"\ncondition = false\nconfig = {}\n'
    ).require()
    report = balance(study, 2)
    assert report.conditions == ("A", "B")
    assert report.carry_over == ((0, 2), (0, 0))


@given(st.integers(2, 5), st.integers(2, 5), st.sampled_from(["latin_square", "permutations"]))
def test_a_square_in_a_square_is_balanced_over_its_whole_cycle(outer, inner, strategy):
    groups = ", ".join(
        f'{{ strategy = "{strategy}", label = "inner {group}", blocks = '
        f"{[f'{group}{item}' for item in range(inner)]} }}"
        for group in NAMES[:outer]
    )
    names = [f"{group}{item}" for group in NAMES[:outer] for item in range(inner)]
    order = f'order = [{{ strategy = "latin_square", blocks = [{groups}] }}]'
    study = parse(without_settings(names, order)).require()
    report = balance(study, usual_participants(study))
    if usual_participants(study) > 24 or strategy == "latin_square":
        assert all(report.balanced.values())
    assert len(report.groups) == outer + 1


def test_a_tree_with_cells_is_balanced_in_each_of_them():
    study = parse(of_techniques(configuration='between = ["size"]')).require()
    assert usual_participants(study) == 12
    report = balance(study, 12)
    assert report.balanced == {"cells": True, "position": True, "carry_over": True}
    assert report.sentence.startswith("12 participants: balanced for the between-subjects cells;")
