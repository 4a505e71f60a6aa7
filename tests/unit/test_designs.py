"""Designs of published studies: everybody's blocks are in the order that the paper's rule says."""

import json
from collections import Counter
from itertools import pairwise

import pytest

from experiment_server.study.balance import balance
from experiment_server.study.expand import expand
from experiment_server.study.parse import parse
from tests.unit.designs.rules import FOLDER, RULES, written

DESIGNS = sorted(FOLDER.glob("*.toml"))


def orders_of(path, participants):
    parsed = parse(path.read_text(encoding="utf-8"))
    assert [item for item in parsed.diagnostics if item.severity != "info"] == []
    return [
        [block.name for block in expand(parsed.require(), participant)]
        for participant in range(1, participants + 1)
    ]


@pytest.mark.parametrize("path", DESIGNS, ids=lambda path: path.stem)
def test_everybody_has_the_order_of_the_paper(path):
    expected = json.loads(path.with_suffix(".expected.json").read_text(encoding="utf-8"))
    assert [*expected] == [str(number) for number in range(1, len(expected) + 1)]
    assert orders_of(path, len(expected)) == [*expected.values()]


def test_the_expected_orders_are_those_of_the_rules():
    assert {path.stem for path in DESIGNS} == set(RULES)
    for name, rule in RULES.items():
        assert (FOLDER / f"{name}.expected.json").read_text(encoding="utf-8") == written(rule())


def conditions(name, prefix=""):
    """Everybody's conditions of a design, from the rules."""
    return [[block for block in order if block.startswith(prefix)] for order in RULES[name]()]


@pytest.mark.parametrize(
    ("name", "prefix", "times", "after"),
    [
        ("williams-1949", "task", 1, 1),
        ("cochran-autrey-cannon-1941", "", 6, 6),
        ("kandogan-shneiderman-1997", "", 3, None),
        ("youden-1937", "", 2, None),
    ],
)
def test_the_rules_balance_what_their_papers_say(name, prefix, times, after):
    orders = conditions(name, prefix)
    places = Counter((place, block) for order in orders for place, block in enumerate(order))
    assert set(places.values()) == {times}, "each condition is equally often at each place"
    if after:
        follows = Counter(pair for order in orders for pair in pairwise(order))
        assert set(follows.values()) == {after}
        assert len(follows) == len(set(orders[0])) * (len(orders[0]) - 1)


@pytest.mark.parametrize("path", DESIGNS, ids=lambda path: path.stem)
def test_the_report_finds_balanced_what_is_dealt(path):
    study = parse(path.read_text(encoding="utf-8")).require()
    report = balance(study, len(RULES[path.stem]()))
    for group in report.groups:
        if group.strategy != "randomize":
            assert group.balanced["position"], report.sentence


def test_where_everybody_meets_one_of_several_it_counts_who_meets_which():
    text = (FOLDER / "kandogan-shneiderman-1997.toml").read_text(encoding="utf-8")
    study = parse(text).require()
    even, odd = balance(study, 12), balance(study, 13)
    assert "tasks balanced for position;" in even.sentence
    assert "tasks not balanced for position (counts from 6 to 7)" in odd.sentence
    assert odd.better == (12, 16)
