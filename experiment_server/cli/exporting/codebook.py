"""What describes an export: the codebook, the metadata of Psych-DS, and a README."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiment_server.cli.exporting.columns import (
    OF_APP,
    OF_STUDY,
    Column,
    Facts,
    Kind,
    TableFacts,
)
from experiment_server.wire.tables import csv_heading, csv_lines
from experiment_server.wire.values import JsonObject

CODEBOOK = "codebook.csv"
_COLUMNS = (
    "table", "file", "column", "type", "source", "values", "missing", "levels", "minimum",
    "maximum", "description",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class WrittenTable:
    """A table that was written, the path of its file, and what is in it."""

    name: str
    file: str
    columns: Sequence[Column]
    facts: TableFacts


def write_codebook(folder: Path, tables: Sequence[WrittenTable], *, formula_safe: bool) -> None:
    """Write codebook.csv: a row for each column of each table.

    It is a file for spreadsheets, so formulas in it are always defused. `formula_safe` says whether
    those in the tables are.
    """
    rows = (row for table in tables for row in _codebook_rows(table, formula_safe=formula_safe))
    with (folder / CODEBOOK).open("x", encoding="utf-8", errors="replace", newline="") as file:
        file.write(csv_heading(_COLUMNS))
        file.write(csv_lines(rows, _COLUMNS))


def write_psych_ds(folder: Path, name: str, summary: str, tables: Sequence[WrittenTable]) -> None:
    """Write the metadata that Psych-DS asks for, and what its validator leaves out."""
    described: JsonObject = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": name,
        "description": summary,
        "variableMeasured": [_variable(variants) for variants in _variables(tables)],
    }
    text = json.dumps(described, ensure_ascii=False, indent=2)
    (folder / "dataset_description.json").write_text(
        f"{text}\n", encoding="utf-8", errors="replace", newline=""
    )
    (folder / ".psychdsignore").write_text(
        "codebook.csv\nevents.csv\nevents.jsonl\nexpanded/\nfiles/\nstudy/\n", encoding="utf-8"
    )


def write_readme(folder: Path, name: str, summary: str, tables: Sequence[WrittenTable]) -> None:
    """Write README.md, which says what is in which file."""
    listed = "\n".join(
        f"- `{table.file}`: {table.name}, {table.facts.rows:,} row"
        f"{'' if table.facts.rows == 1 else 's'}"
        for table in tables
    )
    (folder / "README.md").write_text(
        f"# {name}\n\n{summary}\n\n{listed}\n{_README}", encoding="utf-8", newline=""
    )


_README = """\
- `codebook.csv`: each column of these tables, with its type, range or levels, and missing values
- `events.csv`, `events.jsonl`: the event log
- `study/`: the versions of the study that were served, with their tables
- `expanded/`: the blocks of each participant, as their app got them
- `files/`: the files that apps uploaded, if there are any

A row of a table of results is one record. `participant_index` and `record_id` identify it.
`participant_index` joins it with participants, and `participant_index` with `visit` joins it with
timings. Times are in UTC. Lists and objects are JSON. In CSV, an empty cell is a missing value, and
`""` is an empty text.

Texts are as participants and apps sent them, unless the export was made with `--formula-safe`. Do
not open them in a spreadsheet without it: a spreadsheet executes texts that begin with `=`, `+`,
`-` or `@`.
"""


def _codebook_rows(table: WrittenTable, *, formula_safe: bool) -> Iterator[JsonObject]:
    for column in table.columns:
        facts = table.facts.of(column.name)
        yield {
            "table": table.name,
            "file": table.file,
            "column": column.name,
            "type": column.kind.value,
            "source": column.source,
            "values": facts.count,
            "missing": table.facts.rows - facts.count,
            "levels": _levels(column, facts),
            "minimum": facts.smallest,
            "maximum": facts.largest,
            "description": " ".join([column.description, *_warning(column, formula_safe)]).strip(),
        }


def _warning(column: Column, formula_safe: bool) -> Iterator[str]:
    if column.source == OF_APP and column.kind in (Kind.STRING, Kind.JSON):
        yield _DEFUSED if formula_safe else _AS_SENT


_AS_SENT = "Texts are as sent: a spreadsheet may execute one that begins with =, +, - or @."
_DEFUSED = "Texts that a spreadsheet would execute have a ' before them."


def _levels(column: Column, facts: Facts) -> list[str] | None:
    """The texts of a column, ascending, if some of them are there more than once."""
    if column.kind is not Kind.STRING or not facts.levels or len(facts.levels) == facts.count:
        return None
    return sorted(facts.levels)


_Variant = tuple[WrittenTable, Column, Facts]


def _variables(tables: Sequence[WrittenTable]) -> Iterator[list[_Variant]]:
    """The columns of all tables, those with the same name together."""
    found: dict[str, list[_Variant]] = {}
    for table in tables:
        for column in table.columns:
            variant = table, column, table.facts.of(column.name)
            found.setdefault(column.name, []).append(variant)
    yield from found.values()


def _variable(variants: Sequence[_Variant]) -> JsonObject:
    """A column as schema.org's PropertyValue; it has a range if it is a number in all tables."""
    texts = dict.fromkeys(_said(column, facts) for _, column, facts in variants)
    variable: JsonObject = {
        "@type": "PropertyValue",
        "name": variants[0][1].name,
        "description": " ".join(texts),
    }
    ranges = [
        (facts.smallest, facts.largest)
        for _, column, facts in variants
        if column.kind in (Kind.INTEGER, Kind.NUMBER)
        and facts.smallest is not None
        and facts.largest is not None
    ]
    if ranges and len(ranges) == len(variants):
        variable["minValue"] = min(low for low, _ in ranges)
        variable["maxValue"] = max(high for _, high in ranges)
    return variable


def _said(column: Column, facts: Facts) -> str:
    # Metadata are published also where data are not, so they list no answers of participants.
    levels = _levels(column, facts) if column.source.startswith(OF_STUDY) else None
    listed = f" Levels: {', '.join(levels)}." if levels else ""
    return (column.description or "Recorded by the app.") + listed
