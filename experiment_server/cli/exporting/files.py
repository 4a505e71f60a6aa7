"""The files of exported tables: CSV as Psych-DS names it, or Parquet."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import count, islice
from pathlib import Path
from types import ModuleType
from typing import Literal

from experiment_server.cli.exporting.columns import Column, Kind
from experiment_server.errors import ExtraMissing
from experiment_server.participants.results import RESERVED_TABLES
from experiment_server.wire.encoding import to_json
from experiment_server.wire.tables import csv_heading, csv_lines
from experiment_server.wire.values import JsonObject, JsonValue

Format = Literal["csv", "parquet"]

Rows = Iterable[JsonObject]

Writer = Callable[[Path, Sequence[Column], Rows], None]
"""Writes rows into a new file."""

DATA = "data"
"""The folder of the tables, in which Psych-DS wants them."""

# Rows of a row group, and rows that are made into CSV at a time: a record has up to 64 kB.
_GROUP_ROWS = 1000
_CSV_ROWS = 100


class TableFiles:
    """Writes tables as files of one format into the folder of an export."""

    def __init__(self, folder: Path, output_format: Format, *, formula_safe: bool) -> None:
        self._folder = folder
        self._is_csv = output_format == "csv"
        self._formula_safe = formula_safe
        # A table of an app does not get the file of a table that every export has.
        self._names = set(RESERVED_TABLES)
        self._arrow = None if self._is_csv else import_arrow()
        (folder / DATA).mkdir()

    def write(self, table: str, columns: Sequence[Column], rows: Rows) -> str:
        """Write a table; returns the path of its file in the folder."""
        path = f"{DATA}/{self._csv_name(table) if self._is_csv else f'{table}.parquet'}"
        if self._arrow is None:
            self._write_csv(self._folder / path, columns, rows)
        else:
            _write_parquet(self._arrow, self._folder / path, columns, rows)
        return path

    def _write_csv(self, path: Path, columns: Sequence[Column], rows: Rows) -> None:
        names, safe = [column.name for column in columns], self._formula_safe
        with path.open("x", encoding="utf-8", errors="replace", newline="") as file:
            file.write(csv_heading(names, formula_safe=safe))
            for page in _pages(rows, _CSV_ROWS):
                file.write(csv_lines(page, names, formula_safe=safe))

    def _csv_name(self, table: str) -> str:
        """A name that Psych-DS accepts: a keyword of its list, and letters and digits only.

        No two differ only in the case of letters, which some file systems ignore.
        """
        first, *more = re.split("[-_]+", table.strip("-_"))
        plain = first + "".join(part.capitalize() for part in more)
        name = plain
        if table not in RESERVED_TABLES:
            numbers = count(2)
            while name.lower() in self._names:
                name = f"{plain}{next(numbers)}"
            self._names.add(name.lower())
        return f"description-{name}_data.csv"


def import_arrow() -> ModuleType:
    """The module pyarrow with its Parquet part; raises ExtraMissing."""
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError:
        raise ExtraMissing(
            "--format parquet needs pyarrow, which is not installed: "
            "pip install 'experiment-server[parquet]'"
        ) from None


def _write_parquet(arrow: ModuleType, path: Path, columns: Sequence[Column], rows: Rows) -> None:
    types = {
        Kind.INTEGER: arrow.int64(),
        Kind.NUMBER: arrow.float64(),
        Kind.BOOLEAN: arrow.bool_(),
        Kind.TIMESTAMP: arrow.timestamp("ms", tz="UTC"),
        Kind.STRING: arrow.string(),
        Kind.JSON: arrow.string(),
    }
    schema = arrow.schema(
        [
            arrow.field(column.name, types[column.kind], metadata=_metadata(column))
            for column in columns
        ]
    )
    with arrow.parquet.ParquetWriter(path, schema) as writer:
        for page in _pages(rows, _GROUP_ROWS):
            arrays = [
                arrow.array(
                    _converted([row.get(column.name) for row in page], column.kind),
                    types[column.kind],
                )
                for column in columns
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))


def _metadata(column: Column) -> dict[str, str]:
    return {"description": column.description, "source": column.source}


def _converted(values: list[JsonValue], kind: Kind) -> list[object]:
    convert = _CONVERSIONS.get(kind)
    if convert is None:
        return values
    return [None if value is None else convert(value) for value in values]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else to_json(value)


_CONVERSIONS: dict[Kind, Callable[[JsonValue], object]] = {
    Kind.NUMBER: float,
    Kind.TIMESTAMP: _moment,
    Kind.STRING: _text,
    Kind.JSON: _text,
}


def _pages(rows: Rows, size: int) -> Iterator[list[JsonObject]]:
    remaining = iter(rows)
    while page := list(islice(remaining, size)):
        yield page
