"""Trials: rows of a table, crossings, and orders without long runs."""

import itertools
import json
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiment_server.study import runs
from experiment_server.study.expand import expand
from experiment_server.study.functions import FUNCTIONS
from experiment_server.study.parse import parse
from experiment_server.study.runs import Plan, known_order, random_order
from experiment_server.study.source import StudySource, TableFile

WORDS = "word,list,rating\nchair,1,1\nlamp,2,1.0\ndoor,1,true\nsky,2,\n"
CHAIR, LAMP, DOOR, SKY = (
    {"word": "chair", "list": 1, "rating": 1},
    {"word": "lamp", "list": 2, "rating": 1.0},
    {"word": "door", "list": 1, "rating": True},
    {"word": "sky", "list": 2},
)


def study(*settings):
    text = '[configuration.tables]\nwords = "words.csv"\n[[blocks]]\nname = "A"\n[blocks.config]\n'
    lines = [f"x{number} = {value}\n" for number, value in enumerate(settings)]
    table = (TableFile("words.csv", WORDS),)
    return parse(StudySource(text + "".join(lines), table)).require()


def drawn(value, participant=1):
    return expand(study(value), participant)[0].config["x0"]


def call(name, args):
    return f'{{ function_name = "{name}", args = {args} }}'


def longest_run(values):
    return max(sum(1 for _ in group) for _, group in itertools.groupby(values))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("{ list = 1 }", [CHAIR, DOOR]),
        ("{ list = 1, word = 'door' }", [DOOR]),
        ("{ list = [1, 2] }", [CHAIR, LAMP, DOOR, SKY]),
        # A number is the same number however it is written, and true is none.
        ("{ rating = 1 }", [CHAIR, LAMP]),
        ("{ rating = true }", [DOOR]),
        ("{}", [CHAIR, LAMP, DOOR, SKY]),
    ],
)
def test_rows_are_those_of_the_table_that_are_as_asked(where, expected):
    found = drawn(call("rows", f'["$words", {where}]'))
    assert json.dumps(found) == json.dumps(expected)


def test_calls_go_around_calls():
    rows = call("rows", '["$words", { list = 1 }]')
    orders = {json.dumps(drawn(call("shuffle", f"[{rows}]"), index)) for index in range(1, 30)}
    assert orders == {json.dumps([CHAIR, DOOR]), json.dumps([DOOR, CHAIR])}
    some = call("sample", f"[{call('cross', '[{ a = [1, 2], b = [3, 4] }]')}, 3]")
    for index in range(1, 30):
        trials = [tuple(trial.values()) for trial in drawn(some, index)]
        assert len(set(trials)) == len(trials) == 3
    four = '{ population = ["a", "b", "c"], k = 2 }'
    word = f"{{ word = {call('sample', four)}, side = [1, 2] }}"
    crossed = call("cross", f"{{ factors = {word}, max_run = {{ word = 1, side = 2 }} }}")
    for index in range(1, 30):
        trials = drawn(crossed, index)
        words = {trial["word"] for trial in trials}
        assert len(words) == 2
        assert Counter((trial["word"], trial["side"]) for trial in trials) == Counter(
            itertools.product(words, [1, 2])
        )
        assert longest_run([trial["word"] for trial in trials]) == 1


def test_a_family_takes_the_rows_of_its_own_level():
    text = (
        '[configuration]\norder = ["learn-{list}"]\n[configuration.tables]\nwords = "words.csv"\n'
        "[configuration.factors]\nlist = [1, 2]\n"
        '[[blocks]]\nname = "learn-{list}"\nfactors = ["list"]\n[blocks.config]\n'
        'text = "{list}"\n'
        'words = { function_name = "rows", args = ["$words", { list = "{list}" }] }\n'
        'some = { function_name = "sample", args = [{ function_name = "rows", '
        'args = ["$words", { list = ["{list}"], word = ["chair", "sky"] }] }, 1] }\n'
    )
    found = parse(StudySource(text, (TableFile("words.csv", WORDS),))).require()
    one, two = (block.config for block in expand(found, 1))
    assert (one["words"], two["words"]) == ([CHAIR, DOOR], [LAMP, SKY])
    assert (one["some"], two["some"]) == ([CHAIR], [SKY])
    # Only an argument is the level; what an app is told stays as it is written.
    assert (one["text"], one["list"], two["list"]) == ("{list}", 1, 2)


def test_a_participant_may_change_what_they_were_given():
    found = study(call("rows", '["$words"]'), call("cross", "[{ a = [[1], [2]] }, 2]"))
    before = expand(found, 1)
    given_out = expand(found, 1)[0].config
    given_out["x0"][0]["word"] = "changed"
    given_out["x1"][0]["a"].append("changed")
    assert expand(found, 1) == before


def test_without_shuffle_the_levels_are_in_order_and_the_last_factor_is_fastest():
    args = '{ factors = { a = [1, 2], b = ["x", "y"] }, repeat = 2, shuffle = false }'
    once = [{"a": a, "b": b} for a in (1, 2) for b in ("x", "y")]
    assert drawn(call("cross", args)) == once * 2


def test_a_level_that_is_written_twice_comes_twice_as_often():
    args = (
        "{ factors = { match = [true, true, true, false] }, repeat = 5, max_run = { match = 3 } }"
    )
    for index in range(1, 20):
        values = [trial["match"] for trial in drawn(call("cross", args), index)]
        assert Counter(values) == {True: 15, False: 5}
        assert longest_run(values) <= 3


LEVELS = st.lists(st.integers(1, 3), min_size=1, max_size=3)
LIMITS = st.lists(st.none() | st.integers(1, 4), min_size=3, max_size=3)


@given(LEVELS, st.integers(1, 4), LIMITS, st.integers(0, 2**32))
@settings(max_examples=150)
def test_a_crossing_is_full_keeps_its_runs_and_is_the_same_each_time(sizes, repeat, limits, seed):
    factors = {f"f{place}": list(range(size)) for place, size in enumerate(sizes)}
    max_run = {name: limit for name, limit in zip(factors, limits, strict=False) if limit}
    args = {"factors": factors, "repeat": repeat, "max_run": max_run}
    cross = FUNCTIONS["cross"]
    try:
        bound = cross.bind(args)
    except Exception as refusal:  # noqa: BLE001 - which it may only be for this reason
        assert "no order" in str(refusal)  # noqa: PT017
        assert not _can_be_had(factors, repeat, max_run)
        return
    trials = cross.draw(random.Random(seed), bound)
    assert trials == cross.draw(random.Random(seed), cross.bind(args))
    expected = Counter(itertools.product(*factors.values()))
    assert Counter(tuple(trial.values()) for trial in trials) == Counter(
        dict.fromkeys(expected, repeat)
    )
    for name, limit in max_run.items():
        assert longest_run([trial[name] for trial in trials]) <= limit
    assert cross.outcome(bound).shortest == cross.outcome(bound).longest == len(trials)


def _can_be_had(factors, repeat, max_run):
    """Whether any order keeps the limits, found by looking at all of them, alike trials as one."""
    names = list(max_run)
    others = 1
    for name, levels in factors.items():
        others *= 1 if name in names else len(levels)
    left = Counter(itertools.product(*(factors[name] for name in names)))
    left = dict.fromkeys(left, repeat * others)
    seen = set()

    def go(left, last, lengths):
        if not any(left.values()):
            return True
        state = (tuple(sorted(left.items())), last, lengths)
        if state in seen:
            return False
        seen.add(state)
        for kind, count in left.items():
            longer = tuple(
                length + 1 if last and last[place] == kind[place] else 1
                for place, length in enumerate(lengths)
            )
            fits = all(length <= max_run[name] for length, name in zip(longer, names, strict=True))
            if count and fits and go({**left, kind: count - 1}, kind, longer):
                return True
        return False

    return go(left, None, (0,) * len(names))


def plan(sizes, repeat, limits):
    kinds = tuple(itertools.product(*map(range, sizes)))
    return Plan(kinds, (repeat,) * len(kinds), limits)


@given(st.lists(st.integers(1, 12), min_size=2, max_size=5), st.integers(1, 3), st.integers())
def test_with_a_single_limit_no_place_is_ever_taken_back(counts, limit, seed):
    kinds = tuple((kind,) for kind in range(len(counts)))
    wanted = Plan(kinds, tuple(counts), (limit,))
    most = max(counts)
    can_be_had = most <= limit * (sum(counts) - most + 1)
    assert (known_order(wanted) is not None) == can_be_had
    if can_be_had:
        # As many steps as there are trials: each of them has to be right.
        found = runs._Search(wanted, random.Random(seed)).run(wanted.length)
        assert found is not None
        assert wanted.keeps(found)


def test_every_order_that_can_be_had_is_drawn_about_as_often():
    wanted = plan((2,), 3, (2,))
    can_be_had = {
        order for order in itertools.permutations([0, 0, 0, 1, 1, 1]) if longest_run(order) <= 2
    }
    met = Counter(tuple(random_order(wanted, random.Random(seed))) for seed in range(14_000))
    assert set(met) == can_be_had
    assert len(can_be_had) == 14
    assert min(met.values()) > 500
    assert max(met.values()) < 2_000


def test_work_is_bounded_and_a_known_order_is_mixed_beyond_it(monkeypatch):
    wanted = plan((2, 2, 2), 6, (2, 2, 2))
    assert known_order(wanted) is not None
    monkeypatch.setattr(runs._Search, "run", lambda *_: None)
    orders = set()
    for seed in range(20):
        mixed = random_order(wanted, random.Random(seed))
        assert wanted.keeps(mixed)
        assert Counter(mixed) == Counter(known_order(wanted))
        orders.add(tuple(mixed))
    assert len(orders) == 20


def test_a_search_that_finds_nothing_in_its_steps_is_no_order(monkeypatch):
    monkeypatch.setattr(runs, "RUN_SEARCH_STEPS_MAX", 0)
    monkeypatch.setattr(runs, "_STEPS_PER_TRIAL", 0)
    assert known_order(plan((2, 3), 7, (2, 2))) is None


def test_large_crossings_with_max_run_are_refused(monkeypatch):
    monkeypatch.setattr("experiment_server.study.trials.RUN_WORK_MAX", 31)
    args = "{ factors = { a = [1, 2] }, repeat = 8, max_run = { a = 2 } }"
    text = f'[[blocks]]\nname = "A"\n[blocks.config]\nx = {call("cross", args)}\n'
    assert [item.code for item in parse(text).diagnostics] == ["function-arguments"]
    monkeypatch.setattr("experiment_server.study.trials.RUN_WORK_MAX", 32)
    assert parse(text).study is not None


VALUES = st.recursive(
    st.sampled_from(["$words", "list", 1, 2, 0, True, "a"]),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["list", "word", "factors", "repeat", "max_run", "k", "population", "a"]
            ),
            inside,
            max_size=3,
        )
        | st.builds(
            lambda name, args: {"function_name": name, "args": args},
            st.sampled_from(["rows", "cross", "shuffle", "sample", "choices", "randint", "range"]),
            st.lists(inside, max_size=3),
        )
    ),
    max_leaves=12,
)


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


@given(VALUES)
@settings(max_examples=400)
def test_whatever_calls_stand_in_calls_a_study_that_verifies_expands(value):
    text = '[configuration.tables]\nwords = "words.csv"\n[[blocks]]\nname = "A"\n[blocks.config]\n'
    table = (TableFile("words.csv", WORDS),)
    found = parse(StudySource(f'{text}w = "$words"\nx = {toml(value)}\n', table))
    if found.study is None:
        assert all(item.line is not None for item in found.diagnostics if item.severity == "error")
        return
    for participant in range(1, 60):
        assert expand(found.study, participant) == expand(found.study, participant)
