"""Function calls: Python's own draws, and unique ones that never repeat or fail needlessly."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.study.arguments import ArgumentsInvalid
from experiment_server.study.distinct_values import freeze
from experiment_server.study.functions import FUNCTIONS, TooFewValues, UsedValues
from experiment_server.study.parse import parse

values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=1), inner),
    max_leaves=4,
)


def shuffled(items, generator):
    generator.shuffle(items)
    return items


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("choices", [[1, 2, 3]], lambda g: g.choices([1, 2, 3])),
        ("choices", [[1, 2], [1, 9]], lambda g: g.choices([1, 2], [1, 9])),
        (
            "choices",
            {"population": ["a", "b"], "weights": [2, 1], "k": 5},
            lambda g: g.choices(["a", "b"], weights=[2, 1], k=5),
        ),
        (
            "choices",
            {"population": [1, 2], "cum_weights": [1, 4], "k": 3},
            lambda g: g.choices([1, 2], cum_weights=[1, 4], k=3),
        ),
        ("sample", [[1, 2, 3, 4], 2], lambda g: g.sample([1, 2, 3, 4], 2)),
        (
            "sample",
            {"population": ["a", "b"], "k": 3, "counts": [4, 2]},
            lambda g: g.sample(["a", "b"], 3, counts=[4, 2]),
        ),
        ("shuffle", [[1, 2, 3, 4]], lambda g: shuffled([1, 2, 3, 4], g)),
        ("randint", [3, 9], lambda g: g.randint(3, 9)),
        ("randint", {"b": 5, "a": 5}, lambda _: 5),
        ("uniform", [0, 2.5], lambda g: g.uniform(0, 2.5)),
        ("gauss", [], lambda g: g.gauss(0.0, 1.0)),
        ("gauss", {"sigma": 2}, lambda g: g.gauss(0.0, 2)),
        ("range", [4], lambda _: [0, 1, 2, 3]),
        ("range", [2, 4], lambda _: [2, 3]),
        ("range", {"start": 5, "stop": 0, "step": -2}, lambda _: [5, 3, 1]),
    ],
)
def test_functions_draw_as_pythons_own_do(name, args, expected):
    function = FUNCTIONS[name]
    assert function.draw(random.Random(5), function.bind(args)) == expected(random.Random(5))


@pytest.mark.parametrize(
    ("name", "args", "problem"),
    [
        ("choices", [], "needs a population"),
        ("choices", [[]], "at least one value"),
        ("choices", [1, 2, 3], r"in a list of their own, args = \[\[1, 2, 3\]\]"),
        ("choices", "abc", "needs args as a list or a table"),
        ("choices", [[1], [1], 2], "at most 2 arguments as a list"),
        ("choices", {"population": 3}, "population with at least one value"),
        ("choices", {"population": [1], "weigths": [1]}, 'no argument "weigths"'),
        ("choices", {"population": [1, 2], "weights": [1]}, "2 weights, one for each value, got 1"),
        ("choices", {"population": [1], "weights": ["x"]}, "list of numbers"),
        ("choices", {"population": [1], "weights": [-1]}, "not negative"),
        ("choices", {"population": [1, 2], "weights": [0, 0]}, "sum above zero"),
        ("choices", {"population": [1], "weights": [10**400]}, "list of numbers"),
        ("choices", {"population": [1, 2], "cum_weights": [3, 1]}, "do not decrease"),
        ("choices", {"population": [1], "weights": [1], "cum_weights": [1]}, "not both"),
        ("choices", {"population": [1], "k": -1}, "0 or more, got -1"),
        ("choices", {"population": [1], "k": True}, "whole number"),
        ("choices", {"population": [1], "k": 10**9}, "at most 100000"),
        ("sample", [[1, 2]], "whole number as k"),
        ("sample", [[1, 2], 3], "cannot take k = 3 values out of 2"),
        ("sample", {"population": [1], "k": 1, "counts": [1, 2]}, "list of 1 whole numbers"),
        ("sample", {"population": [1], "k": 1, "counts": [10**9]}, "more than 100000"),
        ("shuffle", [1, 2], "at most 1 argument as a list"),
        ("randint", [1], "whole number as b"),
        ("randint", [1.5, 2], "whole number as a"),
        ("randint", [5, 1], "a is above b"),
        ("uniform", [0, "x"], "number as b"),
        ("gauss", [0, -1], "sigma of 0 or more"),
        ("range", [], "whole number as stop"),
        ("range", [0, 9, 0], "step other than 0"),
        ("range", [10**12], "more than 100000 numbers"),
    ],
)
def test_arguments_that_do_not_fit_are_named(name, args, problem):
    with pytest.raises(ArgumentsInvalid, match=problem):
        FUNCTIONS[name].bind(args)


def draw_all(name, args, amounts, seed):
    function, generator, used = FUNCTIONS[name], random.Random(seed), UsedValues()
    drawn = []
    for amount in amounts:
        bound = {**function.bind(args), **({"k": amount} if amount else {})}
        values = function.draw_unique(generator, bound, used)
        drawn += values if isinstance(values, list) else [values]
    return drawn


@pytest.mark.parametrize("name", ["choices", "sample"])
@given(
    st.lists(values, min_size=1, max_size=12, unique_by=lambda value: repr(freeze(value))),
    st.integers(0, 2**32),
    st.data(),
)
def test_unique_draws_never_repeat_and_use_up_every_value(name, population, seed, data):
    distinct = len({freeze(value) for value in population})
    amounts = []
    while sum(amounts) < distinct:
        amounts.append(data.draw(st.integers(1, distinct - sum(amounts))))
    args = {"population": population, "k": 1}
    drawn = draw_all(name, args, amounts, seed)
    assert len({freeze(value) for value in drawn}) == distinct
    with pytest.raises(TooFewValues, match="none of its values is left"):
        draw_all(name, args, [*amounts, 1], seed)


@given(st.integers(-(2**62), 2**62), st.integers(1, 30), st.integers(0, 2**32))
def test_unique_whole_numbers_use_up_their_range(first, size, seed):
    args = [first, first + size - 1]
    drawn = draw_all("randint", args, [None] * size, seed)
    assert sorted(drawn) == list(range(first, first + size))
    with pytest.raises(TooFewValues):
        draw_all("randint", args, [None] * (size + 1), seed)


def test_a_huge_range_is_never_listed():
    drawn = draw_all("randint", [0, 2**62], [None] * 1000, 1)
    assert len(set(drawn)) == 1000


def test_unique_numbers_with_a_point_give_up_where_there_are_hardly_any():
    assert len(set(draw_all("uniform", [0, 1], [None] * 100, 1))) == 100
    with pytest.raises(TooFewValues, match="widen its range"):
        draw_all("uniform", [2, 2], [None] * 2, 1)


def test_a_value_without_weight_is_never_left_to_choose():
    args = {"population": ["never", "always"], "weights": [0, 1]}
    assert draw_all("choices", args, [1], 1) == ["always"]
    with pytest.raises(TooFewValues):
        draw_all("choices", args, [1, 1], 1)


def test_a_value_that_is_hardly_ever_drawn_is_found_when_it_is_the_last_one():
    args = {"population": ["common", "rare"], "weights": [10**9, 1]}
    assert draw_all("choices", args, [1, 1], 3) == ["common", "rare"]


def test_unique_draws_of_several_seldom_drawn_values_keep_their_weights():
    args = {"population": ["common", "b", "c"], "weights": [10**9, 900, 100]}
    seconds = [draw_all("choices", args, [1, 1], seed)[1] for seed in range(200)]
    assert 150 < seconds.count("b") < 200


CALL = """
[[blocks]]
name = "A"
[blocks.config]
x = {{ function_name = "{}", args = {}, params = {{ unique = true }} }}
"""


@pytest.mark.parametrize(("name", "args"), [("shuffle", "[[1, 2]]"), ("range", "[3]")])
def test_what_cannot_be_unique_says_so(name, args):
    [error] = parse(CALL.format(name, args)).diagnostics
    assert error.message == f'block "A": {name} cannot be unique'
    assert error.hint == "unique is for choices, sample, randint, uniform, gauss"


def test_what_may_be_unique_says_how_many_values_it_is_sure_of():
    unique = {name for name, function in FUNCTIONS.items() if function.choose}
    assert unique == {name for name, function in FUNCTIONS.items() if function.distinct_values}
    assert unique


def test_all_functions_draw_from_the_participants_one_generator():
    text = """
    [[blocks]]
    name = "A"
    [blocks.config]
    a = { function_name = "randint", args = [1, 100] }
    b = { function_name = "shuffle", args = [[1, 2, 3, 4, 5]] }
    c = { function_name = "gauss", args = { mu = 5 } }
    d = { function_name = "sample", args = [[1, 2, 3], 2] }
    e = { function_name = "range", args = [3] }
    f = { function_name = "uniform", args = [0, 1] }
    """
    from experiment_server.study.expand import expand

    config = expand(parse(text).require(), 9)[0].config
    generator = random.Random(9)
    assert config["a"] == generator.randint(1, 100)
    assert config["b"] == shuffled([1, 2, 3, 4, 5], generator)
    assert config["c"] == generator.gauss(5, 1.0)
    assert config["d"] == generator.sample([1, 2, 3], 2)
    assert config["e"] == [0, 1, 2]
    assert config["f"] == generator.uniform(0, 1)
