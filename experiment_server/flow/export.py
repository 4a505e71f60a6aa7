"""Rows as text that other programs read: CSV and JSON Lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

Format = Literal["csv", "jsonl"]

MEDIA_TYPES: Mapping[Format, str] = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
}

to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Compact JSON text. One encoder for all: `json.dumps` would make one for each text."""

# A spreadsheet runs a cell that begins with one of these signs (the last four are those of a
# full-width keyboard). One that separates by semicolons or tabs does not see our quotes, and
# begins a cell, or a row, in the midst of a text.
_FORMULA = re.compile(r"""(^|[;\t\r\n])(?=[\s"]*[=+\-@\uff1d\uff0b\uff0d\uff20])""")


def heading(columns: Sequence[str], output_format: Format) -> str:
    """What stands before the first row."""
    return _line(columns) if output_format == "csv" else ""


def lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], output_format: Format) -> str:
    """The rows' lines; in CSV the columns alone, in JSON Lines everything that a row has.

    In CSV (RFC 4180, with line feeds) every text is quoted and gets a ' before what a spreadsheet
    would run as a formula; numbers and truth values are bare, and nothing is an empty cell.
    """
    if output_format == "csv":
        return "".join(_line(row.get(column) for column in columns) for row in rows)
    return "".join(to_json(row) + "\n" for row in rows)


def _line(values: Iterable[Any]) -> str:
    return ",".join(map(_cell, values)) + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    text = value if isinstance(value, str) else to_json(value)
    quoted = _FORMULA.sub(r"\1'", text).replace('"', '""')
    return f'"{quoted}"'
