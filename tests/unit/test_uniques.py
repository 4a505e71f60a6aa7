"""Unique calls: a study that verifies never runs out of values, for anybody."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.study.expand import expand
from experiment_server.study.parse import parse
from tests.unit.toml import toml


def call(name, *args, **more):
    return {"function_name": name, "args": list(args), "params": {"unique": True}, **more}


def study_of(order, **blocks):
    text = "".join(
        f'[[blocks]]\nname = "{name}"\nconfig.x = {toml(value)}\n' for name, value in blocks.items()
    )
    return parse(f"[configuration]\norder = {toml(order)}\n{text}")


SHORT, LONG = ["a", "b"], ["a", "b", "c"]

weights = st.lists(st.sampled_from([0, 1, 2]), min_size=4, max_size=4)
populations = st.lists(st.sampled_from("abcd"), min_size=1, max_size=4)
amounts = st.one_of(st.integers(0, 2), st.just(call("randint", 1, 2, params={})))
unique_calls = st.one_of(
    st.builds(
        lambda population, k, name, shared: call(
            name, population, k, **({"id": "shared"} if shared else {})
        ),
        populations,
        amounts,
        st.just("sample"),
        st.booleans(),
    ),
    st.builds(
        lambda a, width: call("randint", a, a + width, id="shared"),
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    st.builds(
        lambda population, weights, cumulative: {
            **call("choices"),
            "args": {
                "population": population,
                **(
                    {"cum_weights": list(accumulate(weights[: len(population)]))}
                    if cumulative
                    else {"weights": weights[: len(population)]}
                ),
            },
        },
        populations,
        weights,
        st.booleans(),
    ),
    st.builds(
        lambda population, counts: {
            **call("sample"),
            "args": {"population": population, "k": 1, "counts": counts[: len(population)]},
        },
        populations,
        st.one_of(weights, st.just([call("randint", 0, 2, params={}) for _ in range(4)])),
    ),
    st.builds(
        call,
        st.sampled_from(["uniform", "gauss"]),
        st.sampled_from([0, 1, 0.5]),
        st.sampled_from([0, 1, call("randint", 0, 1, params={}), call("uniform", 1, 2, params={})]),
    ),
    st.builds(
        lambda population, k: call("sample", call("shuffle", population, params={}), k),
        populations,
        amounts,
    ),
)
orders = st.one_of(
    st.just(["A", "B", "C"]),
    st.just(["A", "A", "B"]),
    st.builds(
        lambda strategy, pick: [{"strategy": strategy, "pick": pick, "blocks": ["A", "B", "C"]}],
        st.sampled_from(["randomize", "latin_square"]),
        st.integers(1, 3),
    ),
)


@given(orders, unique_calls, unique_calls, unique_calls)
def test_what_verifies_never_runs_out_of_values(order, a, b, c):
    outcome = study_of(order, A=a, B=b, C=c)
    if outcome.study is not None:
        for participant in range(1, 60):
            expand(outcome.study, participant)


PICK = [{"strategy": "randomize", "pick": 2, "blocks": ["A", "B", "C"]}]


@pytest.mark.parametrize(
    ("order", "blocks"),
    [
        # Who meets A and B finds two values, and who meets two others as well.
        (PICK, dict.fromkeys("ABC", call("sample", ["a", "b"], 1))),
        (["A", "B"], {"A": call("sample", LONG, 1), "B": call("sample", LONG, 2)}),
        (["A", "B"], dict.fromkeys("AB", call("uniform", 0, 1))),
        (["A", "B"], {"A": call("randint", 1, 2), "B": call("randint", 1, 2)}),
    ],
)
def test_enough_values_for_the_worst_case_are_enough(order, blocks):
    outcome = study_of(order, **blocks)
    assert [item for item in outcome.diagnostics if item.severity == "error"] == []


@pytest.mark.parametrize(
    ("order", "blocks", "problem"),
    [
        (
            [{"strategy": "randomize", "pick": 2, "blocks": ["A", "B", "C"]}],
            dict(zip("ABC", [call("choices", ["a"]), call("choices", ["a"]), 1], strict=True)),
            "2 unique values",
        ),
        (
            ["B", "A"],
            {"A": call("sample", SHORT, 2, id="i"), "B": call("sample", LONG, 1, id="i")},
            "3 unique values",
        ),
        (
            ["A", "B"],
            {
                "A": call("sample", LONG, call("randint", 0, 2, params={}), id="i"),
                "B": call("sample", LONG, 2, id="i"),
            },
            "4 unique values",
        ),
    ],
)
def test_what_can_run_out_for_somebody_is_refused_at_its_call(order, blocks, problem):
    outcome = study_of(order, **blocks)
    assert outcome.study is None
    errors = [item for item in outcome.diagnostics if item.severity == "error"]
    assert {item.code for item in errors} == {"unique-exhausted"}
    assert all(item.line for item in errors)
    assert any(problem in item.message for item in errors) or any(
        "participant" in item.message for item in errors
    )
