"""Expansion that was made ready gives what the plain one gives, and shares nothing."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.store.study_file import read_source
from experiment_server.study import ordering, prepared
from experiment_server.study.expand import configs_json, expand
from experiment_server.study.model import Strategy
from experiment_server.study.parse import parse
from tests.unit.plain_expansion import plain_expansion
from tests.unit.toml import toml

TESTS = Path(__file__).parents[1]
STUDIES = [
    *sorted((TESTS / "parity").glob("*.toml")),
    *sorted((TESTS.parent / "examples").glob("*/*.toml")),
    TESTS.parent / "experiment_server" / "cli" / "new_config.toml",
]


def assert_as_plain(study, participants):
    for participant in participants:
        expected = plain_expansion(study, participant)
        assert repr(expand(study, participant)) == repr(expected)
        configs = [block.config for block in expected]
        assert configs_json(study, participant) == json.dumps(configs, ensure_ascii=False)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_studies_of_this_project_expand_as_plainly(path):
    assert_as_plain(parse(read_source(path)).require(), range(1, 41))


# Random settings: plain values, lists and tables, and calls wherever a value can stand

scalars = st.one_of(
    st.booleans(), st.integers(-9, 9), st.text('aé"\\%{}\n', max_size=3), st.floats(-9, 9)
)
populations = st.lists(
    st.one_of(scalars, st.lists(scalars, max_size=2), st.fixed_dictionaries({"k": scalars})),
    min_size=6,
    max_size=9,
    unique_by=repr,
)


@st.composite
def calls(draw):
    population = draw(populations)
    unique = {"params": {"unique": True}}
    return draw(
        st.sampled_from(
            [
                {"function_name": "choices", "args": [population]},
                {"function_name": "choices", "args": [[str(item) for item in population]]},
                {"function_name": "choices", "args": {"population": population, "k": 3}},
                {
                    "function_name": "choices",
                    "args": {"population": [1, 2, 3], "weights": [1, 0, 2]},
                },
                {"function_name": "shuffle", "args": [population]},
                {"function_name": "randint", "args": [1, 50]},
                {"function_name": "gauss", "args": []},
                {"function_name": "uniform", "args": [0, 2]},
                {"function_name": "range", "args": [3]},
                {"function_name": "choices", "args": ["abcdefgh"], **unique},
                {"function_name": "choices", "args": [list(range(40))], **unique},
                {"function_name": "sample", "args": [list(range(60)), 2], **unique},
                {"function_name": "randint", "args": [1, 60], **unique},
                {
                    "function_name": "sample",
                    "args": [
                        {"function_name": "shuffle", "args": [population]},
                        {"function_name": "randint", "args": [1, 2]},
                    ],
                },
            ]
        )
    )


settings = st.recursive(
    st.one_of(scalars, calls()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
    ),
    max_leaves=6,
)
configs = st.dictionaries(st.sampled_from(["x", "y", "%s", "participant_index"]), settings)
strategies = st.sampled_from([strategy.value for strategy in Strategy])


def some(size):
    return st.lists(st.sampled_from("ABCD"), min_size=size, max_size=size)


def tables(rows):
    """A row for each participant, 1 to n."""
    found = st.lists(rows, min_size=1, max_size=3)
    return found.map(lambda row: {str(number): row for number, row in enumerate(row, start=1)})


# Squares inside need groups of one size, and tables have an order of their own.
groups = st.integers(1, 3).flatmap(lambda size: st.lists(some(size), min_size=1, max_size=3))
rows = st.integers(1, 3).flatmap(lambda size: tables(st.lists(some(size), min_size=1, max_size=3)))
edges = st.one_of(some(0), some(2), tables(some(2)))
orders = st.one_of(
    st.tuples(st.one_of(groups, some(3), some(5)), strategies),
    st.tuples(rows, st.just("as_is")),
)


@st.composite
def studies(draw):
    order, groups_strategy = draw(orders)
    configuration = {
        "order": order,
        "groups_strategy": groups_strategy,
        "within_groups_strategy": draw(strategies),
        "init_blocks": draw(edges),
        "final_blocks": draw(edges),
        "final_blocks_strategy": draw(st.sampled_from(["as_is", "randomize"])),
        "random_seed": draw(st.integers(-5, 2**40)),
    }
    lines = [f"{key} = {toml(value)}" for key, value in configuration.items()]
    lines += [f"[[blocks]]\nname = '{name}'\nconfig = {toml(draw(configs))}" for name in "ABCD"]
    return "\n".join(["[configuration]", *lines])


@given(studies())
def test_any_study_expands_as_plainly(text):
    outcome = parse(text)
    if outcome.study is not None:
        assert_as_plain(outcome.study, [*range(1, 12), 1000, 99_999])


TABLE = """[configuration]
order = { 1 = [["A", "B"]], 2 = [["B", "A"]], 3 = [["B", "B"]] }
within_groups_strategy = "permutations"
init_blocks = { 1 = ["A"], 2 = ["B"] }
final_blocks = ["A", "B"]
[[blocks]]
name = "A"
config = {}
[[blocks]]
name = "B"
config = {}
"""


@pytest.mark.parametrize(
    ("module", "limit"), [(prepared, "PREPARED_ROWS_MAX"), (ordering, "GROUP_ORDERS_ITEMS_MAX")]
)
def test_what_is_not_kept_is_made_anew(monkeypatch, module, limit):
    study = parse(TABLE).require()
    monkeypatch.setattr(module, limit, 1)
    assert_as_plain(replace(study), [1, 2, 3, 4, 5, 6, 3, 2, 1, 7, 7])


def spoil(value):
    """Change everything in a value that can be changed."""
    if isinstance(value, dict):
        for item in value.values():
            spoil(item)
        value.clear()
    elif isinstance(value, list):
        for item in value:
            spoil(item)
        value.append("spoilt")


@given(studies())
def test_what_a_caller_does_to_the_values_changes_no_other_expansion(text):
    outcome = parse(text)
    if outcome.study is None:
        return
    before = repr(expand(outcome.study, 3))
    for block in expand(outcome.study, 3):
        spoil(block.config)
    assert repr(expand(outcome.study, 3)) == before
    assert configs_json(outcome.study, 3) == json.dumps(
        [block.config for block in expand(outcome.study, 3)], ensure_ascii=False
    )
