"""What holds for every order tree: six properties, and that what verifies expands."""

import json
import random
from collections import Counter, defaultdict
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from experiment_server.study.draws import Draws
from experiment_server.study.expand import block_order, expand
from experiment_server.study.model import Group, Strategy
from experiment_server.study.ordering import OrderedGroup
from experiment_server.study.parse import parse
from tests.studies import of_techniques
from tests.unit.plain_expansion import plain_expansion
from tests.unit.toml import toml

STRATEGIES = [strategy.value for strategy in Strategy]
DEPTH = 4


def groups(children, **keys):
    """Groups as the file has them, of such blocks or groups."""
    return st.fixed_dictionaries(
        {"blocks": st.lists(children, min_size=1, max_size=4)},
        optional={"strategy": st.sampled_from(STRATEGIES), **keys},
    )


def nested(leaves, **keys):
    """Groups, and in them groups, up to the depth that is tested."""
    inside = leaves
    for _ in range(DEPTH - 1):
        inside = st.one_of(leaves, groups(inside, **keys))
    return groups(inside, **keys)


# Properties of the orders


def built(tree, names):
    """A group of the file with a name of its own for each block."""
    items = []
    for item in tree["blocks"]:
        if isinstance(item, dict):
            items.append(built(item, names))
        else:
            names.append(f"b{len(names)}")
            items.append(names[-1])
    return Group(tuple(items), Strategy(tree.get("strategy", "as_is")))


random_groups = nested(st.just("block"))
participants = st.integers(1, 10**6)


def order_of(ordered, participant):
    return list(ordered.names(participant - 1, Draws(0, participant)))


@given(random_groups, participants)
def test_the_same_tree_gives_the_same_order(tree, participant):
    one, other = (OrderedGroup(built(tree, [])) for _ in range(2))
    assert order_of(one, participant) == order_of(other, participant)
    walked = one.walk(participant - 1, Draws(0, participant))
    assert order_of(one, participant) == [name for name, _ in walked]


@given(random_groups, participants, st.lists(participants, max_size=5))
def test_an_order_does_not_depend_on_who_was_there_before(tree, participant, others):
    group = built(tree, [])
    alone = order_of(OrderedGroup(group), participant)
    ordered = OrderedGroup(group)
    for other in others:
        order_of(ordered, other)
    assert order_of(ordered, participant) == alone


@given(random_groups, participants)
def test_everybody_meets_every_block_once(tree, participant):
    names = []
    group = built(tree, names)
    assert sorted(order_of(OrderedGroup(group), participant)) == sorted(names)


@given(random_groups, participants)
def test_what_is_inside_an_item_stays_together(tree, participant):
    group = built(tree, [])
    order = order_of(OrderedGroup(group), participant)

    def inside(part):
        for item in part.items:
            if isinstance(item, Group):
                places = sorted(map(order.index, item.names()))
                assert places == list(range(places[0], places[0] + len(places)))
                inside(item)

    inside(group)


POSITION = {"latin_square", "williams", "random_latin_square", "permutations"}
CARRY_OVER = {"latin_square", "williams", "permutations"}


def orders_of_groups(ordered, turns):
    """For each occurrence of a group, the group and the orders of its items, turn by turn."""
    met = defaultdict(list)
    for turn in range(turns):
        orders = {}
        for _, way in ordered.walk(turn, Draws(0, turn + 1)):
            for depth, step in enumerate(way):
                # An occurrence of a group is known by the items around it.
                key = (id(step.group), tuple(around.item for around in way[:depth]))
                orders.setdefault(key, (step.group, {}))[1][step.position] = step.item
        for key, (group, places) in orders.items():
            met[key].append((group, [places[place] for place in sorted(places)]))
    return [(found[0][0], [items for _, items in found]) for found in met.values()]


@given(random_groups)
def test_over_a_whole_cycle_each_group_is_balanced_in_position(tree):
    ordered = OrderedGroup(built(tree, []))
    if ordered.period() > 2000:
        return
    for group, orders in orders_of_groups(ordered, ordered.period()):
        if group.strategy.value in POSITION:
            for place in zip(*orders, strict=True):
                assert set(Counter(place).values()) == {len(orders) // len(group.items)}


@given(random_groups)
def test_over_a_whole_cycle_each_square_is_balanced_in_carry_over(tree):
    ordered = OrderedGroup(built(tree, []))
    if ordered.period() > 2000:
        return
    for group, orders in orders_of_groups(ordered, ordered.period()):
        size = len(group.items)
        if group.strategy.value in CARRY_OVER and size > 1:
            pairs = Counter(pair for items in orders for pair in pairwise(items))
            assert len(pairs) == size * (size - 1)
            assert len(set(pairs.values())) == 1


@given(random_groups)
def test_orders_that_are_dealt_start_over_after_the_whole_cycle(tree):
    tree = json.loads(json.dumps(tree).replace("randomize", "as_is"))
    ordered = OrderedGroup(built(tree, []))
    cycle = ordered.period()
    if cycle > 500:
        return
    orders = [tuple(order_of(ordered, turn + 1)) for turn in range(2 * cycle)]
    assert orders[:cycle] == orders[cycle:]


# Trees as files have them

right = ["welcome", "tlx-{technique}", "select-{technique}-{size}", "select-{technique}-small"]
leaves = st.sampled_from([*right * 6, "tlx-ray", "select-{technique}-larg"])
factors = st.sampled_from([*["technique", "size"] * 4, "siz"])
trees = st.lists(
    st.one_of(
        leaves,
        nested(leaves, pick=st.integers(1, 5), each=factors),
    ),
    min_size=1,
    max_size=3,
)
between = st.sampled_from(
    [
        "",
        'between = ["size"]',
        'between = ["technique", "size"]',
        'between = ["size"]\nbetween_strategy = "block_randomize"',
    ]
)


@given(trees, between)
def test_a_tree_that_verifies_expands_for_everybody_and_another_has_errors_with_a_place(
    tree, cells
):
    outcome = parse(of_techniques(f"order = {toml(tree)}", cells))
    if outcome.study is None:
        errors = [item for item in outcome.diagnostics if item.severity == "error"]
        assert errors
        assert all(item.line for item in errors)
        return
    for participant in range(1, 501):
        names = [block.name for block in expand(outcome.study, participant)]
        assert names
        assert names == list(block_order(outcome.study, participant))
    participant = random.Random(toml(tree)).randrange(10**6) + 1
    assert expand(outcome.study, participant) == plain_expansion(outcome.study, participant)
