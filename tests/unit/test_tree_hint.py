"""The hint at a tree that would be shorter: it is given where it helps, and its tree is right."""

import json
import math
import re
from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.study import tree_hint
from experiment_server.study.expand import block_order
from experiment_server.study.order import balanced_row, balanced_rows
from experiment_server.study.parse import parse
from tests.studies import TECHNIQUES, of_techniques, without_settings


def hint_of(text):
    """The hint, or None."""
    diagnostics = parse(text).diagnostics
    found = [item for item in diagnostics if item.code == "order-shorter-as-tree"]
    assert all(item.severity == "info" for item in found)
    return found[0].hint if found else None


def tree_in(hint):
    """The tree that a hint has written out, as a line of the file."""
    return re.match(r"order = \[.*\](?= (?:in place of|deals))", hint)[0]


def orders(text, participants):
    study = parse(text).require()
    return [block_order(study, participant) for participant in range(1, participants + 1)]


def block(technique):
    return [f"practice-{technique}", f"select-{technique}-small", f"select-{technique}-large"]


def table(rows):
    return "[configuration.order]\n" + "\n".join(
        f"{number} = {json.dumps(row)}" for number, row in enumerate(rows, start=1)
    )


def test_the_six_rows_of_three_techniques_become_a_square_of_a_factor():
    rows = [
        ["welcome", *(name for technique in order for name in block(technique)), "debriefing"]
        for order in permutations(TECHNIQUES)
    ]
    text = of_techniques(table(rows))
    hint = hint_of(text)
    assert tree_in(hint) == (
        'order = ["welcome", { each = "technique", strategy = "latin_square", blocks = '
        '["practice-{technique}", "select-{technique}-{size}"] }, "debriefing"]'
    )
    assert hint.endswith("to other participants: not for a study that is running")
    assert Counter(orders(of_techniques(tree_in(hint)), 6)) == Counter(orders(text, 6))


def test_groups_that_are_shuffled_inside_keep_their_shuffles():
    groups = [block(technique)[1:] for technique in TECHNIQUES]
    strategies = 'groups_strategy = "randomize"\nwithin_groups_strategy = "randomize"'
    text = of_techniques(f"order = {json.dumps(groups)}", strategies)
    hint = hint_of(text)
    assert "in place of order and groups_strategy and within_groups_strategy deals" in hint
    assert hint.endswith("deals the same orders")
    assert orders(of_techniques(tree_in(hint)), 30) == orders(text, 30)


@pytest.mark.parametrize(
    "text",
    [
        without_settings("ABC", 'order = ["A", "B", "C"]\ngroups_strategy = "williams"'),
        without_settings(
            "ABC", 'order = [["A"], ["B", "C"]]\nwithin_groups_strategy = "randomize"'
        ),
        without_settings("ABC", table([list("ABC"), list("BCA"), list("CAB")])),
        without_settings("ABC", table([list("ABC"), list("AB")])),
        without_settings("ABC", table([list("ABA"), list("BAA")])),
        without_settings("ABC", table([list("ABC"), list("ABC")])),
        # verify would warn of the tree.
        without_settings(
            ["near", "far", "survey"], table(map(list, permutations(["near", "far", "survey"])))
        ),
        of_techniques(),
        of_techniques('order = ["select-{technique}-{size}"]', 'groups_strategy = "as_is"'),
        of_techniques(
            f"order = {json.dumps([block(name) for name in TECHNIQUES])}", 'between = ["size"]'
        ),
    ],
)
def test_there_is_no_hint_where_no_tree_is_shorter_or_the_same(text):
    assert hint_of(text) is None


@pytest.mark.parametrize("limit", ["TREE_HINT_NAMES_MAX", "TREE_HINT_TURNS_MAX"])
def test_what_is_too_large_is_not_compared(monkeypatch, limit):
    text = without_settings("ABC", table(map(list, permutations("ABC"))))
    assert hint_of(text) is not None
    monkeypatch.setattr(tree_hint, limit, 5)
    assert hint_of(text) is None


@given(st.integers(2, 5), st.integers(0, 2), st.integers(1, 3), st.booleans(), st.randoms())
def test_a_table_that_was_written_out_by_hand_gets_its_tree_back(size, ends, length, all_, rng):
    """Random designs: some orders of chunks of blocks, with blocks at the ends that stay there."""
    chunks = [
        [f"chunk {number} block {place}" for place in range(length)] for number in range(size)
    ]
    first, last = ([f"{where} {place}" for place in range(ends)] for where in ("first", "last"))
    places = [balanced_row(size, row) for row in range(balanced_rows(size))]
    if all_ and size < 5:
        places = list(permutations(range(size)))
    rng.shuffle(places)
    rows = [[*first, *(name for at in row for name in chunks[at]), *last] for row in places]
    names = [*first, *(name for chunk in chunks for name in chunk), *last]
    text = without_settings(names, table(rows))
    hint = hint_of(text)
    if hint is None:
        assert size == 2, "a tree is longer only where there is little to order"
        return
    tree = without_settings(names, tree_in(hint))
    cycle = math.lcm(len(rows), 2 * size)
    assert Counter(orders(tree, cycle)) == Counter(orders(text, cycle))
    if hint.endswith("deals the same orders"):
        assert orders(tree, cycle) == orders(text, cycle)
