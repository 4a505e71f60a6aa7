"""What is counted of a column: its type, its range, and its levels."""

import pytest

from experiment_server.cli.exporting import columns
from experiment_server.cli.exporting.columns import Facts, Kind, TableFacts


def facts_of(*values):
    table = TableFacts()
    for value in values:
        table.take({"it": value})
    assert table.rows == len(values)
    return table.of("it")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], Kind.INTEGER),
        ([1, 2.5], Kind.NUMBER),
        ([True, False], Kind.BOOLEAN),
        ([True, 1], Kind.JSON),
        (["a", ""], Kind.STRING),
        (["a", 1], Kind.JSON),
        ([[1]], Kind.JSON),
        ([{}], Kind.JSON),
        ([None, 2**62, None], Kind.INTEGER),
        ([None], Kind.STRING),
    ],
)
def test_the_type_of_a_column_fits_all_of_its_values(values, kind):
    assert facts_of(*values).kind is kind


def test_a_range_is_of_numbers_only():
    facts = facts_of(3, None, -0.5, 7)
    assert (facts.count, facts.smallest, facts.largest) == (3, -0.5, 7)
    assert facts_of("a", True).smallest is None
    assert Facts().kind is Kind.STRING


def test_levels_are_listed_up_to_a_number_and_a_length(monkeypatch):
    monkeypatch.setattr(columns, "LEVELS_MAX", 2)
    monkeypatch.setattr(columns, "LEVEL_MAX_LENGTH", 5)
    assert facts_of("a", "b", "a").levels == {"a", "b"}
    assert facts_of("a", "b", "c", "a").levels is None
    assert facts_of("a", "a long answer").levels is None
