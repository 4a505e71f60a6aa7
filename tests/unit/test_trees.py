"""Order trees: groups in groups, each with its own way of ordering."""

import random
from collections import Counter
from itertools import pairwise, product

import pytest

from experiment_server.study.expand import block_order, expand
from experiment_server.study.parse import parse
from tests.studies import SIZES, TECHNIQUES, TREE, of_techniques, without_settings
from tests.unit.toml import toml


def study(order=TREE, configuration=""):
    return parse(of_techniques(order, configuration)).require()


def codes(order):
    diagnostics = parse(of_techniques(order)).diagnostics
    return {item.code for item in diagnostics if item.severity != "info"}


def plain(order, names):
    """A study of blocks without settings, in an order that is written as Python writes it."""
    return parse(without_settings(names, f"random_seed = 7\norder = {toml(order)}"))


def test_the_commonest_design_keeps_practice_conditions_and_questionnaire_together():
    tree = study()
    techniques = []
    for participant in range(1, 13):
        order = block_order(tree, participant)
        assert order[0] == "welcome"
        assert order[-1] == "debriefing"
        generator = random.Random(participant)
        techniques.append([name.removeprefix("practice-") for name in order[1::4]][:3])
        expected = ["welcome"]
        for technique in techniques[-1]:
            conditions = [f"select-{technique}-{size}" for size in SIZES]
            generator.shuffle(conditions)
            expected += [f"practice-{technique}", *conditions, f"tlx-{technique}"]
        assert list(order) == [*expected, "debriefing"]
    assert techniques[:6] == techniques[6:]
    assert techniques[0] == ["ray", "gaze", "hand"] or techniques[0] == ["ray", "hand", "gaze"]
    for place in zip(*techniques[:6], strict=True):
        assert Counter(place) == dict.fromkeys(TECHNIQUES, 2)
    pairs = Counter(pair for order in techniques[:6] for pair in pairwise(order))
    assert set(pairs.values()) == {2}
    assert len(pairs) == 6


def test_a_member_inherits_from_the_member_of_its_own_levels():
    block = expand(study(), 1)[2]
    assert block.extends == "practice-ray"
    assert block.config["feedback"] is True
    assert block.config["technique"] == "ray"


def test_squares_inside_a_square_advance_once_per_cycle_of_it():
    names = [f"{outer}{inner}" for outer in "AB" for inner in "1234"]
    tree = [
        {
            "strategy": "latin_square",
            "blocks": [
                {"strategy": "latin_square", "blocks": [f"{outer}{inner}" for inner in "1234"]}
                for outer in "AB"
            ],
        }
    ]
    orders = [block_order(plain(tree, names).require(), index) for index in range(1, 9)]
    assert [order[0][0] for order in orders] == list("ABABABAB")
    rows = ["".join(name[1] for name in order[:4]) for order in orders]
    assert rows == ["1243", "1243", "2314", "2314", "3421", "3421", "4132", "4132"]
    assert [order[4:] for order in orders] == [
        tuple(f"{'AB'[order[0][0] == 'A']}{name[1]}" for name in order[:4]) for order in orders
    ]
    assert len(set(orders)) == 8


def test_groups_side_by_side_take_the_same_row():
    tree = [
        {"strategy": "latin_square", "blocks": list("ABCD")},
        "break",
        {"strategy": "latin_square", "blocks": list("EFGH")},
    ]
    tree_study = plain(tree, [*"ABCDEFGH", "break"]).require()
    for participant in range(1, 9):
        order = block_order(tree_study, participant)
        assert ["ABCD".index(name) for name in order[:4]] == [
            "EFGH".index(name) for name in order[5:]
        ]


def test_a_group_picks_the_first_of_its_order():
    names = list("ABCDEFG")
    tree = [{"strategy": "williams", "pick": 4, "blocks": names}]
    picked = plain(tree, names).require()
    orders = [block_order(picked, index) for index in range(1, 15)]
    assert {len(order) for order in orders} == {4}
    for place in zip(*orders, strict=True):
        assert set(Counter(place).values()) == {2}


def test_a_group_draws_before_those_inside_it_and_only_for_what_is_met():
    tree = [
        {
            "strategy": "randomize",
            "pick": 2,
            "blocks": [
                {"strategy": "randomize", "blocks": [f"{x}{n}" for n in "123"]} for x in "ABC"
            ],
        }
    ]
    drawn = plain(tree, [f"{x}{n}" for x in "ABC" for n in "123"]).require()
    for participant in range(1, 30):
        generator = random.Random(7 + participant)
        groups = list("ABC")
        generator.shuffle(groups)
        expected = []
        for group in groups[:2]:
            inner = [f"{group}{number}" for number in "123"]
            generator.shuffle(inner)
            expected += inner
        assert block_order(drawn, participant) == tuple(expected)


def test_init_and_final_blocks_stand_around_a_tree():
    framed = study(configuration='init_blocks = ["welcome"]\nfinal_blocks = ["debriefing"]')
    order = block_order(framed, 3)
    assert order[:2] == ("welcome", "welcome")
    assert order[-2:] == ("debriefing", "debriefing")


def test_between_subjects_levels_are_bound_before_the_tree():
    between = study(configuration='between = ["technique"]')
    for participant in range(1, 10):
        order = block_order(between, participant)
        technique = TECHNIQUES[(participant - 1) % 3]
        assert len(order) == 6
        assert order[1] == f"practice-{technique}"
        assert all(technique in name for name in order[1:-1])


def test_levels_can_be_written_out_in_a_name():
    order = """order = [
      { strategy = "latin_square", blocks = ["select-ray-{size}"] },
      { each = "technique", blocks = ["select-{technique}-large"] },
      "tlx-gaze",
    ]"""
    assert block_order(study(order), 1) == (
        "select-ray-small",
        "select-ray-large",
        *(f"select-{technique}-large" for technique in TECHNIQUES),
        "tlx-gaze",
    )


def test_levels_that_are_left_are_items_of_the_group_in_their_order():
    order = 'order = [{ blocks = ["select-{technique}-{size}"] }]'
    assert block_order(study(order), 1) == tuple(
        f"select-{technique}-{size}" for technique, size in product(TECHNIQUES, SIZES)
    )


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ('order = [{ each = "tecnique", blocks = ["tlx-{technique}"] }]', "factor-unknown"),
        ('order = [{ strategy = "latin-square", blocks = ["welcome"] }]', "strategy-unknown"),
        ('order = [{ strategy = "randomize" }]', "group-blocks"),
        ('order = [{ blocks = "welcome" }]', "group-blocks"),
        (
            'order = [{ pick = 4, strategy = "randomize", blocks = ["tlx-{technique}"] }]',
            "group-pick",
        ),
        ('order = [{ blocks = ["welcome"] }, ["debriefing"]]', "order-mixed"),
        ('order = [{ blocks = ["welcom"] }]', "block-unknown"),
        ("order = [{ blocks = [true] }]", "type"),
        ('order = [{ label = 3, blocks = ["welcome"] }]', "type"),
        ('order = { strategy = "randomize", blocks = ["welcome"] }', "order-keys"),
        (
            'order = [{ each = "size", blocks = [{ each = "size", blocks = ["welcome"] }] }]',
            "factor-bound",
        ),
        ('groups_strategy = "randomize"\norder = [{ blocks = ["welcome"] }]', "strategy-on-tree"),
        (
            'order = [{ strategy = "permutations", blocks = ["select-{technique}-{size}", '
            '"tlx-{technique}"] }]',
            "strategy-too-many",
        ),
    ],
)
def test_a_mistake_in_a_tree_is_an_error_at_its_place(order, code):
    outcome = parse(of_techniques(order))
    assert outcome.study is None
    found = [item for item in outcome.diagnostics if item.code == code]
    assert found
    assert all(item.line in (3, 4) for item in found)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ('order = [{ each = "technique", blocks = ["select-ray-{size}"] }]', "each-without-effect"),
        ('order = [{ strategy = "randomize", blocks = ["welcome"] }]', "strategy-without-effect"),
        ('order = [{ pick = 1, blocks = ["welcome", "debriefing"] }]', "pick-without-strategy"),
        ('order = [{ blocs = 1, blocks = ["welcome"] }]', "key-unknown"),
        (
            'order = [{ strategy = "randomize", blocks = ["practice-{technique}", '
            '"select-{technique}-{size}"] }]',
            "order-tears-apart",
        ),
        (
            'order = [{ each = "technique", strategy = "latin_square", blocks = [{ strategy = '
            '"randomize", blocks = ["tlx-{technique}", "select-{technique}-{size}"] }] }]',
            "order-tears-apart",
        ),
    ],
)
def test_what_is_hardly_meant_is_a_warning(order, code):
    assert code in codes(order)


@pytest.mark.parametrize(
    "order",
    [
        TREE,
        'order = [{ strategy = "randomize", blocks = ["practice-{technique}", "tlx-ray"] }]',
    ],
)
def test_questionnaires_that_stay_with_their_condition_are_no_warning(order):
    assert "order-tears-apart" not in codes(order)
