"""Reads the table files of a study, in CSV or JSON Lines, into lists of rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import tomli

from experiment_server.limits.study import EXPANDED_VALUES_MAX, STUDY_MAX_BYTES, STUDY_TABLES_MAX
from experiment_server.study.diagnostics import Findings, shown
from experiment_server.study.model import Rows
from experiment_server.study.positions import Path
from experiment_server.study.source import StudySource, TableFile
from experiment_server.study.table_rows import TableFindings, read_csv, read_json_lines
from experiment_server.study.values import text_problem
from experiment_server.wire.values import JsonValue

TABLES_AT: Path = ("configuration", "tables")
SUFFIXES = (".csv", ".jsonl")

_NAME = re.compile(r"[A-Za-z0-9_-]+")


def named_files(configuration: JsonValue) -> Iterator[str]:
    """The valid paths in `[configuration.tables]`, each once."""
    tables = configuration.get("tables") if isinstance(configuration, dict) else None
    if isinstance(tables, dict):
        paths = dict.fromkeys(path for path in tables.values() if isinstance(path, str))
        yield from [path for path in paths if path_problem(path) is None][:STUDY_TABLES_MAX]


def files_named_in(text: str) -> list[str]:
    """The sorted paths of a study's tables; empty if the text is not TOML."""
    try:
        document = tomli.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return []
    return sorted(named_files(document.get("configuration")))


def path_problem(path: str) -> str | None:
    """The problem of a table file's path, None for a valid path."""
    if not path.lower().endswith(SUFFIXES):
        return "is neither a .csv nor a .jsonl file"
    if any(ord(character) < 32 or character in "\\:" for character in path) or text_problem(path):
        return "has characters that no path of a table can have"
    parts = path.split("/")
    if parts[0] == "" or ".." in parts:
        return "does not stay in the study's folder"
    if "" in parts or "." in parts:
        return "has a part that leads nowhere"
    return None


def read_tables(
    configuration: Mapping[str, JsonValue], source: StudySource, findings: Findings
) -> dict[str, Rows | None]:
    """The tables of a study by name; None for a table with errors, which are reported."""
    tables = configuration.get("tables", {})
    if not isinstance(tables, dict):
        findings.error(
            "type",
            "tables has to be a table: write [configuration.tables]",
            'and in it words = "words.csv"',
            at=TABLES_AT,
        )
        return {}
    if len(tables) > STUDY_TABLES_MAX:
        findings.error(
            "study-too-large",
            f"the study has {len(tables)} tables; more than {STUDY_TABLES_MAX} are not possible",
            "tables with the same columns can be one, with a column that tells them apart",
            at=TABLES_AT,
        )
        return dict.fromkeys(tables)
    if sum(len(table.text) for table in source.tables) > STUDY_MAX_BYTES:
        findings.error(
            "study-too-large",
            f"the tables have more than {STUDY_MAX_BYTES // 1024**2} MB in all",
            "large data belongs into files of the app",
            at=TABLES_AT,
        )
        return dict.fromkeys(tables)
    return {name: _table(name, path, source, findings) for name, path in tables.items()}


def _table(name: str, path: JsonValue, source: StudySource, findings: Findings) -> Rows | None:
    at = (*TABLES_AT, name)
    if not _NAME.fullmatch(name):
        findings.error(
            "table-name",
            f"{shown(name)} is no name for a table",
            "a name has letters, digits, - and _",
            at=at,
            key=True,
        )
        return None
    wrong = path_problem(path) if isinstance(path, str) else "is no path"
    if wrong is not None:
        findings.error(
            "table-path",
            f"table {name}: {shown(path)} {wrong}",
            'name a file beside the study, or in a folder beside it, like "lists/words.csv"',
            at=at,
        )
        return None
    file = source.table(path)
    if file is None or file.unreadable is not None:
        reason = file.unreadable if file else None
        if reason is not None and reason.line is not None:
            TableFindings(path, findings).error(
                "table-unreadable", reason.message, reason.hint, line=reason.line
            )
        else:
            message = reason.message if reason else "is not there"
            hint = reason.hint if reason else "put the file beside the study"
            findings.error("table-unreadable", f'"{path}" {message}', hint, at=at)
        return None
    return _read(name, file, findings)


def _read(name: str, file: TableFile, findings: Findings) -> Rows | None:
    found = TableFindings(file.path, findings)
    text = file.text.removeprefix("\ufeff")
    read = read_csv if file.path.lower().endswith(".csv") else read_json_lines
    rows = Rows()
    rows.name = name
    values = 0
    for row in read(text, found):
        values += 1 + len(row)
        if values > EXPANDED_VALUES_MAX:
            found.error(
                "study-too-large",
                f"the table has more than {EXPANDED_VALUES_MAX:,} values",
                "large data belongs into files of the app",
            )
            return None
        rows.append(row)
    if not rows and not found.has_errors:
        found.error("table-empty", "the table has no rows", "write one in each line")
    return None if found.has_errors else rows
