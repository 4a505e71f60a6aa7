"""`export`: write all data of a session as files for an analysis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click
from msgspec import structs

from experiment_server.cli.output import note, progress
from experiment_server.cli.stored import session_of, session_option, stored_argument
from experiment_server.errors import OutputUnwritable
from experiment_server.participants.events import LOG_COLUMNS, log_cells
from experiment_server.participants.timings import COLUMNS as VISIT_COLUMNS
from experiment_server.participants.timings import all_visits
from experiment_server.wire.events import LogEntry
from experiment_server.wire.tables import csv_heading, csv_lines, json_lines
from experiment_server.wire.values import JsonObject

if TYPE_CHECKING:
    from experiment_server.participants.state import ParticipantState
    from experiment_server.store.records import StudyVersion

Rows = Iterable[JsonObject]

_PARTICIPANTS = (
    "participant_index",
    "block_id",
    "ended",
    "revision",
    "block_started_at",
    "updated_at",
    "overrides",
    "study",
    "row",
)
_PAGE = 1000


@click.command(
    name="export",
    epilog="Writes events.csv and events.jsonl (the whole log), timings.csv (a row per stay in a "
    "block), participants.csv (where everybody stands), a CSV for each table of results, "
    "and study-1.toml, study-2.toml, ... (the versions that were served). Example: "
    "`experiment-server export study.toml -d data/`.",
)
@stored_argument
@session_option
@click.option(
    "-d",
    "--out-dir",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="The output folder. The command overwrites no files.",
)
def command(file: str, session: str, out_dir: Path) -> None:
    """Export the data of FILE as CSV and JSON Lines, also while a server runs."""
    from experiment_server.cli.export_results import ResultTables
    from experiment_server.store import records

    with session_of(file, session) as (connection, number):
        versions = records.versions(connection, number)
        texts = {name: text for item in versions for name, text in _files(item)}
        results = ResultTables(connection, number, session)
        tables = {table: f"{table}.csv" for table in results.counts}
        names = ["events.csv", "events.jsonl", "timings.csv", "participants.csv"]
        names += [*tables.values(), *texts]
        _require_new_files(out_dir, names)
        count = records.count(connection, number)
        entries = progress(records.all_entries(connection, number), "events", count)
        _write_log(out_dir, (entry.on_wire() for entry in entries))
        visits = map(structs.asdict, all_visits(records.all_moves(connection, number)))
        _write(out_dir / "timings.csv", visits, VISIT_COLUMNS)
        states = (_participant(state) for state in records.states(connection, number))
        _write(out_dir / "participants.csv", states, _PARTICIPANTS)
        for table, name in tables.items():
            with _create(out_dir / name) as out:
                results.write(table, out)
        for name, text in texts.items():
            (out_dir / name).parent.mkdir(parents=True, exist_ok=True)
            (out_dir / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    note(f"Wrote {', '.join(names)} to {out_dir}")


def _files(version: StudyVersion) -> Iterator[tuple[str, str]]:
    """The files of a study version: the study, and its tables in a folder."""
    yield f"study-{version.version}.toml", version.text
    for table in version.tables:
        yield f"study-{version.version}-tables/{table.path}", table.text


def _require_new_files(folder: Path, names: Iterable[str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputUnwritable(f"{folder} cannot be created: {error.strerror}") from None
    there = [name for name in names if (folder / name).exists()]
    if there:
        raise OutputUnwritable(
            f"{folder} already contains {', '.join(there)}; nothing was overwritten, "
            "choose another folder"
        )


def _write_log(folder: Path, rows: Iterator[LogEntry]) -> None:
    with _create(folder / "events.csv") as table, _create(folder / "events.jsonl") as log:
        table.write(csv_heading(LOG_COLUMNS))
        while page := list(islice(rows, _PAGE)):
            table.write(csv_lines(map(log_cells, page), LOG_COLUMNS))
            log.write(json_lines(page))


def _write(path: Path, rows: Rows, columns: tuple[str, ...]) -> None:
    remaining = iter(rows)
    with _create(path) as table:
        table.write(csv_heading(columns))
        while page := list(islice(remaining, _PAGE)):
            table.write(csv_lines(page, columns))


def _create(path: Path) -> TextIO:
    try:
        return path.open("x", encoding="utf-8", errors="replace", newline="")
    except OSError as error:
        raise OutputUnwritable(f"{path} cannot be written: {error.strerror}") from None


def _participant(state: ParticipantState) -> JsonObject:
    from experiment_server.participants.state import row_of, timestamp

    values = {name: getattr(state, name) for name in _PARTICIPANTS}
    return {
        **values,
        "row": row_of(state),
        "block_started_at": state.block_started_at and timestamp(state.block_started_at),
        "updated_at": timestamp(state.updated_at),
        "overrides": [asdict(item) for item in state.overrides] or None,
    }
