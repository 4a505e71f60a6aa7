"""Reads the rows of a table from CSV or JSON Lines; each error has its line and column."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from experiment_server.study.csv_cells import CsvCell, CsvSyntaxError, read_rows
from experiment_server.study.diagnostics import Diagnostic, Findings, Severity, shown
from experiment_server.study.values import problem, text_problem
from experiment_server.wire.values import JsonObject, JsonValue

# Numbers as in TOML, except the forms that would turn names like 007, 1_2 and 0x1 into numbers.
_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BOOLEANS = {"true": True, "false": False}
_ALMOST_A_NUMBER = re.compile(r"[+-]?(?:\.[0-9]+|[0-9]+\.)")


@dataclass(slots=True)
class TableFindings:
    """Adds diagnostics about one table file to the findings of the study."""

    file: str
    findings: Findings
    has_errors: bool = False

    def error(
        self,
        code: str,
        message: str,
        hint: str | None = None,
        *,
        line: int | None = None,
        column: int | None = None,
        end_column: int | None = None,
    ) -> None:
        """Add an error at a position in the file."""
        self.has_errors = True
        self._note(code, "error", message, hint, line, column, end_column)

    def warning(self, code: str, message: str, hint: str, *, cell: CsvCell) -> None:
        """Add a warning about a cell."""
        self._note(code, "warning", message, hint, cell.line, cell.column, cell.end_column)

    def cell_error(self, code: str, message: str, hint: str | None, cell: CsvCell) -> None:
        """Add an error in a cell."""
        self.has_errors = True
        self._note(code, "error", message, hint, cell.line, cell.column, cell.end_column)

    def _note(
        self,
        code: str,
        severity: Severity,
        message: str,
        hint: str | None,
        line: int | None,
        column: int | None,
        end_column: int | None,
    ) -> None:
        end_line = None if end_column is None else line
        self.findings.add(
            Diagnostic(code, severity, message, hint, line, column, end_line, end_column, self.file)
        )


def read_csv(text: str, found: TableFindings) -> Iterator[JsonObject]:
    """The rows of a CSV text with a header; values have the types that TOML would give them."""
    rows = read_rows(text)
    try:
        header = next(rows, None)
        names = None if header is None else _header(header, found)
        if names is None:
            return
        warned_columns: set[str] = set()
        for row in rows:
            if len(row) != len(names):
                found.error(
                    "table-row",
                    f"this row has {_counted(len(row), 'cell')}, and the header "
                    f"{_counted(len(names), 'column')}",
                    "write a comma for each empty cell, and quotes around text with a comma in it",
                    line=row[0].line,
                )
                continue
            cells = zip(names, row, strict=True)
            values = ((name, _typed(name, cell, warned_columns, found)) for name, cell in cells)
            # TOML has no null, so a row has no key for an empty cell.
            yield {name: value for name, value in values if value is not None}
    except CsvSyntaxError as broken:
        found.error(
            "table-syntax", str(broken), broken.hint, line=broken.line, column=broken.column
        )


def _header(cells: list[CsvCell], found: TableFindings) -> list[str] | None:
    names = [cell.text for cell in cells]
    repeated = Counter(names)
    if len(cells) == 1 and (separator := _other_separator(cells[0])):
        found.cell_error(
            "table-separator",
            f"the columns are separated by {separator}, not by commas",
            'save it as "CSV UTF-8 (comma delimited)"; decimal numbers have a point',
            cells[0],
        )
        return None
    for number, cell in enumerate(cells, start=1):
        if not cell.text:
            found.cell_error(
                "table-header",
                f"column {number} has no name",
                "name it in the first line, or remove it there and in all rows",
                cell,
            )
        elif wrong := text_problem(cell.text):
            found.cell_error("table-header", f"the name of column {number} {wrong}", None, cell)
        elif repeated[cell.text] > 1:
            found.cell_error(
                "table-header",
                f'two columns have the name "{cell.text}"',
                "give each column a name of its own",
                cell,
            )
            repeated[cell.text] = 1
    return None if found.has_errors else names


def _other_separator(cell: CsvCell) -> str | None:
    names = {";": "semicolons", "\t": "tabs"}
    return next((name for mark, name in names.items() if mark in cell.text), None)


def _typed(name: str, cell: CsvCell, warned_columns: set[str], found: TableFindings) -> JsonValue:
    """A cell's value with its TOML type; None if it is empty, text if it is quoted."""
    text = cell.text
    if wrong := text_problem(text):
        found.cell_error("text-not-json", f"the cell {wrong}", None, cell)
        return ""
    if cell.quoted:
        return text
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return _whole(text, cell, found)
    if _NUMBER.fullmatch(text):
        value = float(text)
        if not math.isfinite(value):
            found.cell_error("number-not-json", f"{text} is larger than a number can be",
                             f'write it as text: "{text}"', cell)  # fmt: skip
            return 0
        return value
    hint = _almost_typed_hint(text)
    if hint is not None and name not in warned_columns:
        warned_columns.add(name)
        found.warning("table-cell", f'"{text}" in column "{name}" is read as text', hint, cell=cell)
    return text or None


def _whole(text: str, cell: CsvCell, found: TableFindings) -> int:
    # A 64-bit integer has at most nineteen digits and a sign.
    value = int(text) if len(text) <= 20 else 2**64
    if -(2**63) <= value < 2**63:
        return value
    found.cell_error(
        "number-not-json",
        f"{text:.40} does not fit into 64 bits",
        "put quotes around it, and it is text",
        cell,
    )
    return 0


def _almost_typed_hint(text: str) -> str | None:
    """A hint for a text that is almost a number or a boolean, None for any other text."""
    if text.lower() in _BOOLEANS:
        return f'write {text.lower()}; put quotes around it if text is meant: "{text}"'
    if _ALMOST_A_NUMBER.fullmatch(text):
        return f'a number has digits on both sides of its point; if text is meant, write "{text}"'
    return None


class _InvalidJson(ValueError):
    """A value that Python's JSON parser accepts, but that is not valid JSON."""


def read_json_lines(text: str, found: TableFindings) -> Iterator[JsonObject]:
    """The rows of a text with a JSON object in each line."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        row = _json_object(line, number, found)
        if row is None:
            continue
        if wrong := problem(row, "", depth=2):
            found.error("table-value", f"this row: {wrong}", line=number)
            continue
        yield {key: value for key, value in row.items() if value is not None}


def _json_object(line: str, number: int, found: TableFindings) -> JsonObject | None:
    try:
        row = json.loads(line, object_pairs_hook=_object_of_pairs, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        found.error(
            "table-syntax",
            f"not valid JSON: {error.msg}",
            'a row is an object in one line, like {"word": "chair", "list": 1}',
            line=number,
            column=error.colno,
        )
        return None
    except (ValueError, RecursionError) as error:
        reason = (
            str(error) if isinstance(error, _InvalidJson) else "it has a value beyond all bounds"
        )
        found.error("table-syntax", f"not valid JSON: {reason}", line=number)
        return None
    if isinstance(row, dict):
        return row
    found.error(
        "table-syntax",
        f"a row has to be an object, got {shown(row):.40}",
        'write it in one line, like {"word": "chair", "list": 1}',
        line=number,
    )
    return None


def _object_of_pairs(pairs: Iterable[tuple[str, JsonValue]]) -> JsonObject:
    found: JsonObject = {}
    for key, value in pairs:
        if key in found:
            raise _InvalidJson(f"the key {shown(key)} is there twice")
        found[key] = value
    return found


def _refuse_constant(name: str) -> float:
    raise _InvalidJson(f"JSON has no {name}")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
