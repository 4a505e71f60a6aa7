"""Function calls: Python's own draws, and unique ones that never repeat or fail needlessly."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.study.functions import (
    FUNCTIONS,
    ArgumentsInvalid,
    TooFewValues,
    Used,
    freeze,
)

CHOICES = FUNCTIONS["choices"]

values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=1), inner),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ([[1, 2, 3]], lambda generator: generator.choices([1, 2, 3])),
        ([[1, 2], [1, 9]], lambda generator: generator.choices([1, 2], [1, 9])),
        (
            {"population": ["a", "b"], "weights": [2, 1], "k": 5},
            lambda generator: generator.choices(["a", "b"], weights=[2, 1], k=5),
        ),
        (
            {"population": [1, 2], "cum_weights": [1, 4], "k": 3},
            lambda generator: generator.choices([1, 2], cum_weights=[1, 4], k=3),
        ),
    ],
)
def test_choices_draws_as_pythons_random_does(args, expected):
    drawn = CHOICES.draw(random.Random(5), CHOICES.bind(args))
    assert drawn == expected(random.Random(5))


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ([], "population is missing"),
        ([[]], "at least one value"),
        ([3], "population has to be a list"),
        ("abc", "needs args as a list or a table"),
        ([[1], [1], 2], "at most 2 arguments as a list"),
        ({"population": [1], "weigths": [1]}, 'no argument "weigths"'),
        ({"population": [1, 2], "weights": [1]}, "1 numbers for 2 values"),
        ({"population": [1], "weights": ["x"]}, "list of numbers"),
        ({"population": [1], "weights": [-1]}, "cannot be negative"),
        ({"population": [1, 2], "weights": [0, 0]}, "above zero"),
        ({"population": [1, 2], "cum_weights": [3, 1]}, "cannot decrease"),
        ({"population": [1], "weights": [1], "cum_weights": [1]}, "not both"),
        ({"population": [1], "k": -1}, "0 or more"),
        ({"population": [1], "k": True}, "whole number"),
        ({"population": [1], "k": 10**9}, "at most 100000"),
    ],
)
def test_arguments_that_do_not_fit_are_named(args, problem):
    with pytest.raises(ArgumentsInvalid, match=problem):
        CHOICES.bind(args)


@given(
    st.lists(values, min_size=1, max_size=12, unique_by=lambda value: repr(freeze(value))),
    st.integers(0, 2**32),
    st.data(),
)
def test_unique_draws_never_repeat_and_use_up_every_value(population, seed, data):
    distinct = len({freeze(value) for value in population})
    generator, used, drawn = random.Random(seed), Used(), []
    while len(drawn) < distinct:
        amount = data.draw(st.integers(1, distinct - len(drawn)))
        bound = CHOICES.bind({"population": population, "k": amount})
        drawn += CHOICES.draw_unique(generator, bound, used)
    assert len({freeze(value) for value in drawn}) == distinct
    with pytest.raises(TooFewValues, match="0 of its values are left"):
        CHOICES.draw_unique(generator, CHOICES.bind([population]), used)


def test_a_value_without_weight_is_never_left_to_choose():
    bound = CHOICES.bind({"population": ["never", "always"], "weights": [0, 1]})
    used = Used()
    assert CHOICES.draw_unique(random.Random(1), bound, used) == ["always"]
    with pytest.raises(TooFewValues):
        CHOICES.draw_unique(random.Random(1), bound, used)


def test_a_value_that_is_hardly_ever_drawn_is_found_when_it_is_the_last_one():
    bound = CHOICES.bind({"population": ["common", "rare"], "weights": [10**9, 1]})
    used = Used()
    drawn = [CHOICES.draw_unique(random.Random(3), bound, used) for _ in range(2)]
    assert drawn == [["common"], ["rare"]]


def test_unique_draws_of_several_seldom_drawn_values_keep_their_weights():
    bound = CHOICES.bind({"population": ["common", "b", "c"], "weights": [10**9, 900, 100]})
    firsts = []
    for seed in range(200):
        used = Used()
        used.add(["common"])
        firsts += CHOICES.draw_unique(random.Random(seed), bound, used)
    assert 150 < firsts.count("b") < 200
