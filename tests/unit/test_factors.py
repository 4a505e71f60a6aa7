"""Factorial designs: crossing, families in orders, between-subjects factors."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.study.expand import block_order, cell_of, expand
from experiment_server.study.parse import parse

DESIGN = """
[configuration]
order = ["point-{size}-{device}"]
%s

[configuration.factors]
size = [1, 2, 3]
device = ["mouse", "pen"]

[[blocks]]
name = "base"
[blocks.config]
trials = 12
size = 99

[[blocks]]
name = "point-{size}-{device}"
factors = ["size", "device"]
extends = "base"
[blocks.config]
hint = "go"
"""

ALL = [f"point-{size}-{device}" for size, device in product((1, 2, 3), ("mouse", "pen"))]


def design(configuration="", **replaced):
    text = DESIGN % configuration
    for old, new in replaced.items():
        text = text.replace(old, new)
    return parse(text).require()


def test_a_block_with_factors_stands_for_every_combination():
    blocks = expand(design(), 1)
    assert [block.name for block in blocks] == ALL
    assert blocks[3].config == {
        "size": 2,
        "device": "pen",
        "hint": "go",
        "trials": 12,
        "participant_index": 1,
        "name": "point-2-pen",
        "block_id": 3,
    }


def test_a_family_is_a_group_in_an_order():
    study = design('within_groups_strategy = "latin_square"')
    orders = {block_order(study, participant) for participant in range(1, 7)}
    assert len(orders) == 6
    for position in range(6):
        assert sorted(order[position] for order in orders) == ALL


def test_a_family_stands_for_its_members_inside_a_group_too():
    study = parse(
        (DESIGN % "").replace('["point-{size}-{device}"]', '[["base", "point-{size}-{device}"]]')
    ).require()
    assert list(block_order(study, 1)) == ["base", *ALL]


def test_without_an_order_the_members_come_where_the_block_stands():
    text = (DESIGN % "").replace('order = ["point-{size}-{device}"]', "")
    assert list(block_order(parse(text).require(), 1)) == ["base", *ALL]


def test_a_between_factor_gives_each_participant_one_level():
    study = design('between = ["device"]')
    for participant in range(1, 9):
        device = ("mouse", "pen")[(participant - 1) % 2]
        assert cell_of(study, participant).levels == {"device": device}
        assert {block.config["device"] for block in expand(study, participant)} == {device}
        assert len(expand(study, participant)) == 3


def test_cells_and_orders_are_crossed():
    study = design('between = ["device"]\nwithin_groups_strategy = "latin_square"')
    met = Counter(block_order(study, participant) for participant in range(1, 13))
    assert len(met) == 12, "six orders of three sizes, each with both devices"
    assert [item.message for item in parse(DESIGN % (
        'between = ["device"]\nwithin_groups_strategy = "latin_square"')).diagnostics
        if item.code == "cycle"] == ["the orders start over after 12 participants"]  # fmt: skip


def test_several_between_factors_make_a_cell_of_each_combination():
    study = design('between = ["device", "size"]')
    cells = [tuple(cell_of(study, participant).levels.values()) for participant in range(1, 7)]
    assert sorted(cells) == sorted(product(("mouse", "pen"), (1, 2, 3)))
    assert all(len(block_order(study, participant)) == 1 for participant in range(1, 7))


def test_blocks_without_the_factor_are_met_in_every_cell():
    study = design('between = ["device"]\ninit_blocks = ["base"]')
    assert [block_order(study, participant)[0] for participant in (1, 2)] == ["base", "base"]


@given(st.integers(-(2**40), 2**40), st.integers(1, 1000))
def test_block_randomised_cells_are_all_met_in_every_run(seed, run):
    study = design(
        f'between = ["size"]\nbetween_strategy = "block_randomize"\nrandom_seed = {seed}'
    )
    first = (run - 1) * 3 + 1
    levels = [cell_of(study, participant).levels["size"] for participant in range(first, first + 3)]
    assert sorted(levels) == [1, 2, 3]


def test_block_randomised_cells_follow_the_seed():
    def dealt(seed):
        study = design(
            f'between = ["size"]\nbetween_strategy = "block_randomize"\nrandom_seed = {seed}'
        )
        return [cell_of(study, participant).levels["size"] for participant in range(1, 31)]

    assert dealt(1) == dealt(1) != dealt(2)
    assert dealt(1) != [1, 2, 3] * 10


def test_calls_draw_as_before_in_a_cell():
    study = design(
        'between = ["device"]',
        hint='hint2 = { function_name = "choices", args = [[1, 2, 3, 4, 5, 6]] }\nhint',
    )
    assert expand(study, 4) == expand(study, 4)


@pytest.mark.parametrize("level", ["{device}", "{size}", "{}"])
def test_a_level_that_looks_like_a_place_in_the_name_stays_what_it_is(level):
    study = design(**{'"mouse"': f'"{level}"'})
    assert f"point-1-{level}" in block_order(study, 1)


def test_each_member_takes_over_the_block_that_is_written_for_its_level():
    study = """
    [configuration.factors]
    list = ["A", "B"]
    method = ["aloud"]
    [[blocks]]
    name = "list-A"
    config.words = ["apple"]
    [[blocks]]
    name = "list-B"
    config.words = ["anchor"]
    [[blocks]]
    name = "{method}-{list}"
    factors = ["method", "list"]
    extends = "list-{list}"
    """
    study = parse(study).require()
    assert study.blocks["aloud-A"].config["words"] == ["apple"]
    assert study.blocks["aloud-B"].config["words"] == ["anchor"]


def test_a_level_without_a_block_written_for_it_is_named():
    study = """
    [configuration.factors]
    list = ["A", "B"]
    [[blocks]]
    name = "list-A"
    config.words = ["apple"]
    [[blocks]]
    name = "learn-{list}"
    factors = ["list"]
    extends = "list-{list}"
    """
    [found] = [item for item in parse(study).diagnostics if item.severity == "error"]
    assert found.message == 'block "learn-B" extends the unknown block "list-{list}"'
