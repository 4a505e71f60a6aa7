"""Expansion: the language of a study file, section by section, and what holds for any study."""

import json
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.study.expand import block_order, expand
from experiment_server.study.parse import parse
from experiment_server.study.templates import merge

BLOCKS = '[[blocks]]\nname = "{}"\n[blocks.config]\n'


def study(configuration="", *names, blocks=""):
    text = f"[configuration]\n{configuration}\n" + "".join(map(BLOCKS.format, names)) + blocks
    return parse(text).require()


def orders(parsed, count):
    return ["".join(block_order(parsed, index)) for index in range(1, count + 1)]


def configs(text, participant=1):
    return [block.config for block in expand(parse(text).require(), participant)]


def first_config(lines, variables=""):
    config = configs(f"[configuration.variables]\n{variables}\n[[blocks]]\nname='A'\n{lines}")[0]
    return {key: config[key] for key in config if key not in ("participant_index", "block_id")}


# Order


def test_without_an_order_all_blocks_come_in_file_order():
    assert orders(study("", "B", "A", "C"), 2) == ["BAC", "BAC"]


def test_without_an_order_groups_strategy_orders_the_blocks():
    assert orders(study('groups_strategy="latin_square"', "A", "B"), 3) == ["AB", "BA", "AB"]


def test_groups_strategy_governs_a_flat_order():
    parsed = study('order=["A","B","C","D"]\ngroups_strategy="latin_square"', *"ABCD")
    assert orders(parsed, 5) == ["ABDC", "BCAD", "CDBA", "DACB", "ABDC"]


def test_within_groups_strategy_means_nothing_for_a_flat_order():
    parsed = study('order=["A","B","C"]\nwithin_groups_strategy="randomize"', *"ABC")
    assert set(orders(parsed, 20)) == {"ABC"}


def test_the_older_names_of_the_strategies_still_work():
    parsed = study(
        'order=[["A","B"],["C","D"]]\ngroups="latin_square"\nwithin_groups="latin_square"', *"ABCD"
    )
    assert orders(parsed, 4) == ["ABCD", "CDAB", "BADC", "DCBA"]


def test_the_newer_name_of_a_strategy_wins_with_a_warning():
    outcome = parse(
        '[configuration]\norder=["A","B"]\ngroups="latin_square"\ngroups_strategy="as_is"\n'
        + BLOCKS.format("A")
        + BLOCKS.format("B")
    )
    assert orders(outcome.study, 2) == ["AB", "AB"]
    assert "key-twice" in [item.code for item in outcome.diagnostics]


def test_a_table_gives_each_participant_their_row_and_starts_over():
    parsed = study('order={1=["A","B"],2=["B","A"]}', "A", "B")
    assert orders(parsed, 4) == ["AB", "BA", "AB", "BA"]


def test_a_table_may_hold_groups_that_are_ordered_inside():
    parsed = study(
        'order={1=[["A","B"],["C","D"]],2=[["C","D"],["A","B"]]}\n'
        'within_groups_strategy="latin_square"',
        *"ABCD",
    )
    assert orders(parsed, 4) == ["ABCD", "CDAB", "BADC", "DCBA"]


def test_init_and_final_blocks_surround_the_groups():
    parsed = study('order=["B"]\ninit_blocks=["A"]\nfinal_blocks={1=["C"],2=["D"]}', *"ABCD")
    assert orders(parsed, 3) == ["ABC", "ABD", "ABC"]


def test_all_draws_come_from_one_generator_in_one_order():
    parsed = study(
        'order=[["A","B","C"],["D","E","F"]]\ngroups_strategy="randomize"\n'
        'within_groups_strategy="randomize"\ninit_blocks=["G","H","I"]\n'
        'init_blocks_strategy="randomize"\nfinal_blocks=["J","K","L"]\n'
        'final_blocks_strategy="randomize"\nrandom_seed=40',
        *"ABCDEFGHIJKL",
    )
    for participant in range(1, 20):
        generator = random.Random(40 + participant)
        groups = [list("ABC"), list("DEF")]
        generator.shuffle(groups)
        for group in groups:
            generator.shuffle(group)
        edges = [list("GHI"), list("JKL")]
        for edge in edges:
            generator.shuffle(edge)
        expected = [*edges[0], *groups[0], *groups[1], *edges[1]]
        assert list(block_order(parsed, participant)) == expected


# Inheritance


def test_an_heir_has_its_own_keys_first_and_its_values_win():
    text = """
    [configuration]
    order = ["child"]
    [[blocks]]
    name = "child"
    extends = "parent"
    [blocks.config]
    z = 1
    table = { own = 1, both = "child" }
    [[blocks]]
    name = "parent"
    extends = "grandparent"
    [blocks.config]
    a = 2
    table = { both = "parent", parents = 2 }
    [[blocks]]
    name = "grandparent"
    config = { z = 3, old = 3, table = { both = "grand", oldest = 3 } }
    """
    [config] = configs(text)
    assert json.dumps(config) == json.dumps(
        {
            "z": 1,
            "table": {"own": 1, "both": "child", "parents": 2, "oldest": 3},
            "a": 2,
            "old": 3,
            "participant_index": 1,
            "name": "child",
            "block_id": 0,
        }
    )


def test_what_a_parent_has_overwritten_is_gone_for_its_child():
    """Release 0.3.9 gives {"p": 1} here: the table of "old" was replaced before "young" saw it."""
    text = """
    [configuration]
    order = ["young"]
    [[blocks]]
    name = "young"
    extends = "middle"
    config = { x = { p = 1 } }
    [[blocks]]
    name = "middle"
    extends = "old"
    config = { x = 1 }
    [[blocks]]
    name = "old"
    config = { x = { q = 2 } }
    """
    assert configs(text)[0]["x"] == {"p": 1}


@given(st.data())
def test_merging_along_a_chain_is_associative(data):
    """For tables whose keys hold the same kind of thing in each, which is what chains are for."""

    def level(depth):
        kinds = {"a": st.integers(0, 3), "b": st.integers(0, 3)}
        if depth:
            kinds["t"] = level(depth - 1)
        return st.fixed_dictionaries({}, optional=kinds)

    young, middle, old = (data.draw(level(2)) for _ in range(3))
    left, right = merge(merge(young, middle), old), merge(young, merge(middle, old))
    assert json.dumps(left) == json.dumps(right), "values and the order of keys"


def test_a_circle_of_heirs_merges_until_it_closes_with_one_warning():
    outcome = parse(
        '[[blocks]]\nname="A"\nextends="B"\n[blocks.config]\na=1\nx="A"\n'
        '[[blocks]]\nname="B"\nextends="A"\n[blocks.config]\nb=2\nx="B"\n'
    )
    first, second = (block.config for block in expand(outcome.study, 1))
    assert (first["a"], first["b"], first["x"]) == (1, 2, "A")
    assert (second["a"], second["b"], second["x"]) == (1, 2, "B")
    assert [item.code for item in outcome.diagnostics] == ["extends-cycle"]
    assert "A -> B -> A" in outcome.diagnostics[0].message


tables = st.recursive(
    st.integers(0, 3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict))


@given(tables)
def test_merging_with_nothing_changes_nothing(table):
    assert merge(table, {}) == table == merge({}, table)


# Variables


def test_variables_are_put_in_anywhere_also_in_arrays_and_variables():
    config = first_config(
        'config={x="$N", y=["$N", {z="$LIST"}], text="$N apples"}',
        'N=3\nLIST=["$N", "$$N"]',
    )
    assert config == {
        "x": 3,
        "y": [3, {"z": [3, "$N"]}],
        "text": "$N apples",
        "name": "A",
    }


@pytest.mark.parametrize(
    ("written", "meant"), [("$$N", "$N"), ("$$$N", "$$N"), ("$", "$"), ("$5.00", "$5.00")]
)
def test_a_dollar_can_be_meant(written, meant):
    assert first_config(f'config={{x="{written}"}}', "N=1")["x"] == meant


def test_a_variable_with_spaces_in_its_name_works():
    assert first_config('config={x="$number of trials"}', '"number of trials"=7')["x"] == 7


# Function calls


def test_calls_draw_in_execution_order_and_anew_for_each_occurrence():
    text = """
    [configuration]
    order = ["A", "B", "A"]
    random_seed = 5
    [[blocks]]
    name = "A"
    config = { x = { function_name = "choices", args = [[1, 2, 3, 4, 5, 6, 7, 8, 9]] } }
    [[blocks]]
    name = "B"
    config = { deep = [ { function_name = "choices", args = { population = [1, 2, 3], k = 2 } } ] }
    """
    generator = random.Random(5 + 3)
    first, second, third = configs(text, participant=3)
    assert first["x"] == generator.choices(range(1, 10))
    assert second["deep"] == [generator.choices([1, 2, 3], k=2)]
    assert third["x"] == generator.choices(range(1, 10))


def test_a_call_may_stand_in_the_arguments_of_a_call():
    config = first_config(
        'config={x={function_name="choices",args=[{function_name="choices",'
        "args={population=[1,2,3],k=2}}]}}"
    )
    generator = random.Random(1)
    assert config["x"] == generator.choices(generator.choices([1, 2, 3], k=2))


def test_a_table_with_another_key_is_data_and_no_call():
    table = '{function_name="choices", args=[[1]], note="plain"}'
    assert first_config(f"config={{x={table}}}")["x"] == {
        "function_name": "choices",
        "args": [[1]],
        "note": "plain",
    }


UNIQUE = '{{function_name="choices",args=[{}],params={{unique=true}}{}}}'


def test_calls_written_alike_share_their_values_and_ids_keep_them_apart():
    text = "[[blocks]]\nname='A'\n[blocks.config]\n"
    shared = UNIQUE.format("[1,2]", "")
    config = configs(f"{text}a={shared}\nb={shared}")[0]
    assert sorted(config["a"] + config["b"]) == [1, 2]
    apart = [UNIQUE.format("[1,2]", f',id="{name}"') for name in ("one", "one", "two", "two")]
    config = configs(text + "".join(f"{key}={call}\n" for key, call in zip("abcd", apart)))[0]  # noqa: B905
    assert sorted(config["a"] + config["b"]) == sorted(config["c"] + config["d"]) == [1, 2]


def test_expanded_values_belong_to_the_caller():
    parsed = study("", blocks='[[blocks]]\nname="A"\nconfig={x=[1],y={function_name="choices",'
                   "args=[[[1,2]]]}}")  # fmt: skip
    first = expand(parsed, 1)[0].config
    first["x"].append(2)
    first["y"][0].append(3)
    again = expand(parsed, 1)[0].config
    assert (again["x"], again["y"]) == ([1], [[1, 2]])


def test_reserved_keys_are_overwritten_and_blocks_know_their_parent():
    text = '[[blocks]]\nname="A"\nconfig={name="mine",block_id=9,participant_index=9}\n'
    text += '[[blocks]]\nname="B"\nextends="A"\n'
    first, second = expand(parse(text).require(), 4)
    assert first.as_dict() == {
        "name": "A",
        "config": {"name": "A", "block_id": 0, "participant_index": 4},
    }
    assert second.as_dict()["extends"] == "A"


# A study as the field writes them: conditions in calls, heirs, squares over groups

FIELD_STUDY = """
[configuration]
order = [["Small", "Large"], ["SmallFast", "LargeFast"]]
groups_strategy = "latin_square"
within_groups_strategy = "randomize"
init_blocks = ["Training"]
random_seed = 11

[configuration.variables]
HANDS = ["left", "right", "both"]

[[blocks]]
name = "Training"
[blocks.config]
hand = "any"

[[blocks]]
name = "Small"
[blocks.config]
size = 1
hand = { function_name = "choices", args = ["$HANDS"], params = { unique = true }, id = "hand" }

[[blocks]]
name = "Large"
extends = "Small"
[blocks.config]
size = 5
hand = { function_name = "choices", args = ["$HANDS"], params = { unique = false }, id = "any" }

[[blocks]]
name = "SmallFast"
extends = "Small"
[blocks.config]
speed = 2

[[blocks]]
name = "LargeFast"
extends = "SmallFast"
[blocks.config]
size = 5
"""


def test_a_study_as_the_field_writes_them_expands_as_its_rules_say():
    hands = ["left", "right", "both"]
    for participant in range(1, 13):
        blocks = configs(FIELD_STUDY, participant)
        generator = random.Random(11 + participant)
        groups = [["Small", "Large"], ["SmallFast", "LargeFast"]]
        if participant % 2 == 0:
            groups.reverse()
        for group in groups:
            generator.shuffle(group)
        assert [block["name"] for block in blocks] == ["Training", *groups[0], *groups[1]]
        given_out = []
        for block in blocks[1:]:
            drawn = generator.choices(hands)
            while block["name"] != "Large" and drawn[0] in given_out:
                drawn = generator.choices(hands)
            assert block["hand"] == drawn
            given_out += drawn if block["name"] != "Large" else []
            assert block.get("size") == (5 if "Large" in block["name"] else 1)
            assert block.get("speed") == (2 if "Fast" in block["name"] else None)
        assert sorted(given_out) == sorted(hands)


# Properties of any study

names = st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=5)
strategies = st.sampled_from(["as_is", "randomize", "latin_square"])


@given(
    st.lists(st.permutations("ABC"), min_size=1, max_size=4),
    strategies,
    strategies,
    names,
    st.integers(-(2**40), 2**40),
    st.integers(1, 500),
)
def test_an_expansion_depends_on_nothing_but_study_and_participant(
    groups, groups_strategy, within, init, seed, participant
):
    configuration = (
        f"order={json.dumps(groups)}\ngroups_strategy='{groups_strategy}'\n"
        f"within_groups_strategy='{within}'\ninit_blocks={json.dumps(init)}\n"
        f"init_blocks_strategy='randomize'\nrandom_seed={seed}"
    )
    call = UNIQUE.format(str(list(range(40))), "")
    blocks = f'[[blocks]]\nname="E"\nconfig={{x={call}}}\n'
    blocks += "".join(f'[[blocks]]\nname="{name}"\nextends="E"\n' for name in "ABCD")
    parsed = study(configuration, blocks=blocks)
    alone = expand(parsed, participant)
    for other in (1, participant + 1):
        expand(parsed, other)
    assert expand(parse(f"[configuration]\n{configuration}\n{blocks}").study, participant) == alone
    flat = [name for group in groups for name in group]
    assert sorted(block.name for block in alone) == sorted(init + flat)
    assert [block.name for block in alone] == list(block_order(parsed, participant))
    drawn = [block.config["x"][0] for block in alone]
    assert len(drawn) == len(set(drawn))


@given(st.integers(2, 7))
def test_a_full_cycle_of_a_study_balances_position_and_carry_over(size):
    letters = [chr(65 + number) for number in range(size)]
    parsed = study(f'order={json.dumps(letters)}\ngroups_strategy="latin_square"', *letters)
    cycle = size * (2 if size % 2 else 1)
    rows = [block_order(parsed, participant) for participant in range(1, cycle + 1)]
    for position in range(size):
        column = [row[position] for row in rows]
        assert {column.count(letter) for letter in letters} == {cycle // size}
    followers = [pair for row in rows for pair in pairwise(row)]
    assert len({followers.count((a, b)) for a in letters for b in letters if a != b}) == 1
