"""Calls as arguments of calls: what verifies can be drawn for every participant."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.study.expand import expand
from experiment_server.study.parse import parse
from tests.unit.toml import toml

MOST = 12


def call(name, *args):
    return {"function_name": name, "args": list(args)}


def study_of(value):
    return parse(f'[[blocks]]\nname = "A"\n[blocks.config]\nx = {toml(value)}\n')


small = st.integers(-2, MOST)
values = st.lists(st.one_of(small, st.sampled_from(["left", "right", True])), max_size=5)


def calls(arguments):
    """A call of any function, with arguments that may be calls, and that may well be wrong."""
    one = st.one_of(small, values, arguments)
    return st.one_of(
        st.builds(call, st.sampled_from(["randint", "uniform", "gauss", "sample"]), one, one),
        st.builds(call, st.sampled_from(["shuffle", "range"]), one),
        st.builds(lambda population: call("choices", population), one),
        st.builds(call, st.just("range"), one, one, one),
        st.builds(
            lambda population, k, key, weights: {
                "function_name": "choices",
                "args": {"population": population, "k": k, key: weights},
            },
            one, one, st.sampled_from(["weights", "cum_weights"]), one,
        ),
        st.builds(
            lambda population, k, counts: {
                "function_name": "sample",
                "args": {"population": population, "k": k, "counts": counts},
            },
            one, one, one,
        ),
    )  # fmt: skip


@given(st.recursive(st.one_of(small, values), calls, max_leaves=12))
def test_what_verifies_can_be_drawn_for_every_participant(value):
    outcome = study_of(value)
    if outcome.study is None:
        assert all(item.line for item in outcome.diagnostics if item.severity == "error")
        return
    for participant_index in range(1, 60):
        [block] = expand(outcome.study, participant_index)
        json.dumps(block.config["x"], allow_nan=False)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (call("sample", ["a", "b", "c"], call("randint", 1, 5)), "k = 5 values out of 3"),
        (call("sample", call("sample", [1, 2, 3], 2), 3), "k = 3 values out of 2"),
        (call("randint", 1, call("uniform", 2, 3)), "a whole number as b"),
        (call("range", 0, 9, call("randint", -1, 1)), "step other than 0"),
        (call("range", 0, call("randint", 0, 10**9)), "more than 100000 numbers"),
        (
            {
                "function_name": "choices",
                "args": {"population": [1, 2], "cum_weights": call("shuffle", [1, 2])},
            },
            "do not decrease",
        ),
        (
            {
                "function_name": "choices",
                "args": {"population": [1, 2], "weights": call("sample", [0, 0, 1], 2)},
            },
            "sum above zero",
        ),
    ],
)
def test_what_can_fail_for_anybody_is_refused(value, problem):
    outcome = study_of(value)
    assert outcome.study is None
    assert problem in outcome.diagnostics[0].message


@pytest.mark.parametrize(
    "value",
    [
        call("sample", ["a", "b", "c", "d", "e"], call("randint", 1, 5)),
        call("sample", call("shuffle", ["a", "b"]), 2),
        call("randint", call("randint", 1, 3), call("randint", 3, 5)),
        call("range", call("randint", 1, 5)),
        call("gauss", call("uniform", 1, 2), 1),
        call("choices", [[1, 2], [3]]),
        call("shuffle", call("range", 5)),
    ],
)
def test_what_cannot_fail_is_not_refused(value):
    assert study_of(value).study is not None
