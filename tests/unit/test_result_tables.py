"""Records as the rows of a table: nothing of them is lost, whatever their keys are."""

from __future__ import annotations

import csv
import io
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.participants import result_tables
from experiment_server.participants.result_tables import Columns
from experiment_server.wire.results import StoredRecord
from experiment_server.wire.tables import csv_heading, csv_lines

KEYS = st.sampled_from(
    ["", ".", "a", "b", "a.b", "a.b.2", "data.row", "row", "size", "record_id", "participant_index"]
) | st.text(max_size=3)
DATA = st.dictionaries(
    KEYS,
    st.recursive(st.integers(0, 9), lambda inner: st.dictionaries(KEYS, inner, max_size=3)),
    max_size=5,
)


def stored(data, factors=()):
    return StoredRecord(
        participant_index=1,
        session="main",
        row=1,
        block_id=0,
        block_name="A",
        visit=1,
        study_version=1,
        factors=dict(factors),
        data=data,
        record_id="r1",
        recorded_at=None,
        clock_offset_ms=None,
        received_at="2026-11-24T09:30:00.000Z",
    )


def leaves(value):
    if isinstance(value, dict) and value:
        return [leaf for inner in value.values() for leaf in leaves(inner)]
    return [value]


def layout_of(records):
    columns = Columns()
    columns.take(records)
    return columns.layout()


def cells(record):
    return layout_of([record]).cells(record)


def table_of(records):
    columns, cells, _ = layout_of(records)
    return columns, csv_heading(columns) + csv_lines(map(cells, records), columns)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"a.b": 5, "a": {"b": 1}}, {"a.b": 5, "a.b.2": 1}),
        ({"a": {"b": 1}, "a.b": 5, "a.b.2": 7}, {"a.b": 1, "a.b.2": 5, "a.b.2.2": 7}),
        ({"": 1, "a": {"": {}}}, {"": 1, "a.": {}}),
        ({"row": 9, "data.row": 8}, {"data.row": 9, "data.row.2": 8}),
        ({"size": 9}, {"size": "small", "data.size": 9}),
        ({"row_id": 9}, {"data.row_id": 9}),
    ],
)
def test_no_key_hides_another(data, found):
    row = cells(stored(data, {"size": "small"}))
    assert found.items() <= row.items()
    assert row["row"] == 1


def test_a_factor_with_the_name_of_another_column_has_a_prefix():
    row = cells(stored({"factor.row": 3}, {"row": "upper", "session": "first"}))
    assert (row["row"], row["session"]) == (1, "main")
    assert (row["factor.row"], row["factor.session"]) == ("upper", "first")
    assert row["data.factor.row"] == 3


def ways(steps):
    """An object of which each of the 2 ** (steps - 1) values is at a.a.a, in another nesting."""
    return {
        ".".join("a" * step): ways(steps - step) if steps > step else 1
        for step in range(1, steps + 1)
    }


def test_thousands_of_keys_that_look_alike_are_numbered_at_once(monkeypatch):
    tried = []

    def counted(start):
        for number in itertools.count(start):
            tried.append(number)
            yield number

    monkeypatch.setattr(result_tables, "count", counted)
    row = cells(stored(ways(11)))
    assert sum(name.startswith("a.a") for name in row) == 1024
    assert len(tried) < 2 * 1024, "looking from the beginning for each takes a second for 4,000"


@given(st.lists(DATA, max_size=4))
def test_every_value_has_a_cell_and_csv_reads_it_back(data):
    factor = {"size": "small"}
    records = [stored(item, factor if place % 2 else {}) for place, item in enumerate(data)]
    records.append(stored({}, factor))
    names, text = table_of(records)
    assert len(set(names)) == len(names)
    heading, *rows = csv.reader(io.StringIO(text, newline=""))
    assert len(heading) == len(names)
    assert len(rows) == len(records)
    for record, row in zip(records, rows, strict=True):
        assert len(row) == len(names)
        context = sum(name in ("participant_index", "row", "size") for name in names)
        wanted = sorted("{}" if leaf == {} else str(leaf) for leaf in leaves(record.data))
        if record.data == {}:
            wanted = []
        own = [
            value
            for name, value in zip(names, row, strict=True)
            if value and name not in cells(stored({}, {"size": "small"}))
        ]
        assert context == 3
        assert sorted(own) == wanted


def test_a_table_has_a_bounded_number_of_columns_and_all_of_the_data(monkeypatch):
    monkeypatch.setattr(result_tables, "RESULT_COLUMNS_MAX", 3)
    data = [{"a": 1, "b": 2}, {"c": 3, "d": 4, "e": {"f": 5}}, {"a": 6, "more_data": 7}]
    columns, text = table_of([stored(item) for item in data])
    assert [name for name in columns if name in ("a", "b", "c", "d", "e.f")] == ["a", "b", "c"]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["a"] for row in rows] == ["1", "", "6"]
    found = [json.loads(row["more_data"] or "{}") for row in rows]
    assert found == [{}, {"d": 4, "e.f": 5}, {"data.more_data": 7}]


def test_a_table_within_the_bound_has_no_column_for_more():
    assert "more_data" not in layout_of([stored({"a": 1})]).columns
