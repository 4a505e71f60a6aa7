"""Writes rows as CSV and JSON Lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from experiment_server.wire.encoding import to_json
from experiment_server.wire.values import JsonObject, JsonValue

Format = Literal["csv", "jsonl"]

MEDIA_TYPES: Mapping[Format, str] = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
}

# A spreadsheet executes a cell that begins with one of these signs (the last four are from a
# full-width keyboard). A spreadsheet that separates by semicolons or tabs ignores the quotes, and
# begins a cell, or a row, in the middle of a text.
_FORMULA = re.compile(r"""(^|[;\t\r\n])(?=[\s"]*[=+\-@\uff1d\uff0b\uff0d\uff20])""")


class Layout(NamedTuple):
    """The columns of a table, and the function that makes the cells of a row, by column."""

    columns: tuple[str, ...]
    cells: Callable[..., JsonObject]
    formula_safe: bool = True


def csv_heading(columns: Sequence[str], *, formula_safe: bool = True) -> str:
    """The line before the first row."""
    return _line(columns, _defused if formula_safe else _quoted)


def csv_lines(
    rows: Iterable[Mapping[str, JsonValue]], columns: Sequence[str], *, formula_safe: bool = True
) -> str:
    """The columns of the rows as CSV (RFC 4180, with line feeds).

    Every text is quoted. If `formula_safe` is set, it gets a ' before anything that a spreadsheet
    would execute as a formula. Numbers and truth values (TRUE, FALSE) are not quoted. None is an
    empty cell.
    """
    quote = _defused if formula_safe else _quoted
    return "".join(_line((row.get(column) for column in columns), quote) for row in rows)


def json_lines(rows: Iterable[object]) -> str:
    """The rows as JSON Lines, with all their members."""
    return "".join(f"{to_json(row)}\n" for row in rows)


def _line(values: Iterable[JsonValue], quote: Callable[[str], str]) -> str:
    return ",".join([_cell(value, quote) for value in values]) + "\n"


def _cell(value: JsonValue, quote: Callable[[str], str]) -> str:
    kind = type(value)
    if kind is str:
        return quote(value)
    if value is None:
        return ""
    if kind is int or kind is float:
        return str(value)
    if kind is bool:
        # R takes true for a text; pandas and spreadsheets read both.
        return "TRUE" if value else "FALSE"
    return quote(to_json(value))


def _defused(text: str) -> str:
    return _quoted(_FORMULA.sub(r"\1'", text))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
