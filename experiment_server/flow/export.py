"""Rows as text that other programs read: CSV and JSON Lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

Format = Literal["csv", "jsonl"]

MEDIA_TYPES: Mapping[Format, str] = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
}

to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Compact JSON text. One encoder for all: `json.dumps` would make one for each text."""

# A spreadsheet takes a text that begins like this for a formula, and runs it.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def heading(columns: Sequence[str], output_format: Format) -> str:
    """What stands before the first row."""
    return _csv([columns]) if output_format == "csv" else ""


def lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], output_format: Format) -> str:
    """The rows' lines; in CSV the columns alone, in JSON Lines everything that a row has."""
    if output_format == "csv":
        return _csv([cell(row.get(column)) for column in columns] for row in rows)
    return "".join(to_json(row) + "\n" for row in rows)


def cell(value: Any) -> Any:
    """A value as a CSV cell: text that a spreadsheet would run as a formula gets a ' before it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        value = to_json(value)
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


def _csv(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
