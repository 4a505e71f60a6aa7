"""Tables as other programs read them: every text is a text, whatever a client has sent."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiment_server.wire.tables import csv_heading, csv_lines

COLUMNS = ("number", "text", "more")


def table(*rows):
    text = csv_heading(COLUMNS) + csv_lines(rows, COLUMNS)
    return text, list(csv.reader(io.StringIO(text, newline=""), strict=True))


def test_texts_are_quoted_and_numbers_are_not():
    row = {"number": -1.5, "text": 'say "hi"', "more": {"a": [1]}}
    text, _ = table(row, {"number": 2, "text": "", "more": True})
    assert text == (
        '"number","text","more"\n'
        '-1.5,"say ""hi""","{""a"":[1]}"\n'
        '2,"",TRUE\n'
    )  # fmt: skip


def test_nothing_is_an_empty_cell():
    assert table({"number": None})[0].splitlines()[1] == ",,"


@pytest.mark.parametrize("text", ["a\rb", "a\r\nb", "a\nb", "\n", "a\r", ",", '"', "'", "\u2028"])
def test_line_breaks_and_separators_stay_in_their_cell(text):
    _, rows = table({"number": 1, "text": text, "more": 2})
    assert rows[1:] == [["1", text, "2"]]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
@pytest.mark.parametrize("before", ["", ";", "x;", "x\t", "x\r", "x\n", "x\r\n", '"', ' "', '; "'])
def test_no_cell_is_a_formula_wherever_a_spreadsheet_cuts_the_line(before, sign):
    text, rows = table({"number": 1, "text": f"{before}{sign}1+1", "more": before + sign})
    assert [len(row) for row in rows] == [3, 3]
    assert not formulas(text)


@given(st.lists(st.text(st.sampled_from("=+-@;,\t\r\n\"' a1")), min_size=1, max_size=3))
def test_no_text_is_a_formula(texts):
    row = dict(zip(COLUMNS, texts, strict=False))
    text, rows = table(row)
    assert not formulas(text)
    cells = [row.get(column, "") for column in COLUMNS]
    assert [cell.replace("'", "") for cell in rows[1]] == [cell.replace("'", "") for cell in cells]


def test_texts_are_as_they_are_where_nobody_asked_for_safe_ones():
    columns = ("=a", "b")
    rows = [{"=a": "=1+1", "b": "-"}, {"=a": "", "b": None}]
    text = csv_heading(columns, formula_safe=False) + csv_lines(rows, columns, formula_safe=False)
    assert text == '"=a","b"\n"=1+1","-"\n"",\n'


def formulas(text):
    """The cells that a spreadsheet would run that separates them by other signs than commas."""
    cells = [cell for separator in ";\t" for row in separated(text, separator) for cell in row]
    cells += [cell for row in separated(text, ",") for cell in row]
    return [cell for cell in cells if re.match(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]", cell)]


def separated(text, separator):
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator)
