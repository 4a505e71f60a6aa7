"""`export`: write all data of a session as files for an analysis."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from experiment_server.cli.output import note, progress
from experiment_server.cli.stored import (
    data_folder_of,
    data_option,
    session_of,
    session_option,
    stored_argument,
)
from experiment_server.participants.events import LOG_COLUMNS, log_cells
from experiment_server.wire.events import EventType, LogEntry
from experiment_server.wire.tables import csv_heading, csv_lines, json_lines

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from experiment_server.cli.exporting.codebook import WrittenTable
    from experiment_server.cli.exporting.files import Format, TableFiles
    from experiment_server.participants.uploads import LoggedFile
    from experiment_server.store.records import StudyVersion

_PAGE = 1000


@click.command(
    name="export",
    epilog="Writes data/ (a file for each table of results, participants: a row for each person, "
    "timings: a row for each stay in a block), codebook.csv (each column of them), README.md and "
    "dataset_description.json (Psych-DS), events.csv and events.jsonl (the whole log), study/ (the "
    "versions that were served), expanded/ (each participant's blocks) and files/ (uploads). "
    "Example: `experiment-server export study.toml -d my-data`.",
)
@stored_argument
@session_option
@click.option(
    "-d",
    "--out-dir",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="The output folder: a new one, or an empty one. It is there when the export is complete.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["csv", "parquet"]),
    default="csv",
    show_default=True,
    help="The format of the tables in data/. parquet keeps the types of columns; it needs "
    "pip install 'experiment-server[parquet]', and is no Psych-DS, which knows CSV only.",
)
@click.option(
    "--formula-safe",
    is_flag=True,
    help="In CSV, put a ' before what a spreadsheet would execute as a formula. This changes "
    "texts that begin with =, +, - or @.",
)
@data_option
def command(
    file: str,
    session: str,
    out_dir: Path,
    output_format: Format,
    formula_safe: bool,
    data: Path | None,
) -> None:
    """Export the data of FILE as one folder of tables, also while a server runs."""
    from experiment_server.cli.exporting.files import TableFiles
    from experiment_server.cli.exporting.folder import new_folder

    with session_of(file, session) as (connection, number), new_folder(out_dir) as folder:
        files = TableFiles(folder, output_format, formula_safe=formula_safe)
        export = _Export(connection, number, session, folder)
        tables = export.write_tables(files)
        export.write_descriptions(_name_of(file, session), tables, output_format, formula_safe)
        source = data_folder_of(file, data)
        copied, changed = _copy_uploads(source, session, folder / "files", export.files)
    listed = ", ".join(f"{table.name} ({table.facts.rows:,})" for table in tables)
    uploads = f" and {copied:,} uploaded files" if copied else ""
    if changed:
        note(f"Files that are not as the log has them: {'; '.join(changed)}.")
    note(f"Wrote {listed}{uploads} to {out_dir}; its README.md says what is where.")


class _Export:
    """Writes what a session has into a folder."""

    def __init__(self, connection: Connection, session: int, name: str, folder: Path) -> None:
        from experiment_server.cli.exporting.people import Version
        from experiment_server.cli.exporting.results import ResultTables
        from experiment_server.store import records
        from experiment_server.store.file_check import logged_files
        from experiment_server.study.parse import parse

        self.files = logged_files(connection, session)
        self._connection = connection
        self._session = session
        self._folder = folder
        self._name = name
        stored = records.versions(connection, session)
        self._versions = [
            Version(item.version, item.digest, parse(item.source).study) for item in stored
        ]
        self._results = ResultTables(connection, session, name, self._versions, folder)
        _write_versions(folder / "study", stored)

    def write_tables(self, files: TableFiles) -> list[WrittenTable]:
        """Write the log and all tables; returns the tables."""
        from experiment_server.cli.exporting.codebook import WrittenTable
        from experiment_server.cli.exporting.columns import TableFacts
        from experiment_server.cli.exporting.people import People
        from experiment_server.cli.exporting.timings import timing_columns, timing_rows
        from experiment_server.store import records

        connection, session = self._connection, self._session
        added: dict[int, str] = {}
        count = records.count(connection, session)
        entries = progress(records.all_entries(connection, session), "events", count)
        _write_log(self._folder, (entry.on_wire() for entry in entries), added)
        written = []
        for table in sorted(self._results.counts):
            columns, facts, rows = self._results.read(table)
            path = files.write(table, columns, rows)
            written.append(WrittenTable(table, path, columns, facts))
        people = People(
            self._name, self._versions, self._results.by_participant, sorted(self._results.counts)
        )
        states = records.states(connection, session)
        rows = people.rows(
            progress(states, "participants", len(states)),
            records.all_moves(connection, session),
            added,
            self._folder / "expanded",
        )
        facts = TableFacts()
        path = files.write("participants", people.columns, facts.counted(rows))
        written.append(WrittenTable("participants", path, people.columns, facts))
        if people.unexpanded:
            who = ", ".join(map(str, people.unexpanded))
            note(f"The blocks of participants {who} cannot be computed; see verify-config-file.")
        facts = TableFacts()
        visits = timing_rows(self._name, records.all_moves(connection, session))
        path = files.write("timings", timing_columns(), facts.counted(visits))
        written.append(WrittenTable("timings", path, timing_columns(), facts))
        return written

    def write_descriptions(
        self,
        name: str,
        tables: Sequence[WrittenTable],
        output_format: Format,
        formula_safe: bool,
    ) -> None:
        """Write the codebook, README.md, and for CSV the metadata of Psych-DS."""
        from experiment_server.cli.exporting import codebook

        rows = {table.name: table.facts.rows for table in tables}
        records = sum(self._results.counts.values())
        summary = (
            f"Data of the session {self._name}: {rows['participants']:,} participants, "
            f"{records:,} records, {rows['timings']:,} stays in blocks. Written by "
            "experiment-server."
        )
        codebook.write_codebook(self._folder, tables, formula_safe=formula_safe)
        codebook.write_readme(self._folder, name, summary, tables)
        if output_format == "csv":
            codebook.write_psych_ds(self._folder, name, summary, tables)


def _name_of(file: str, session: str) -> str:
    """The name of the data: that of the study file or the database, and the session."""
    return f"{Path(file.partition('?')[0]).stem}, session {session}"


def _write_versions(folder: Path, versions: Iterable[StudyVersion]) -> None:
    for version in versions:
        texts = {f"{version.version}.toml": version.text}
        texts |= {f"{version.version}-tables/{item.path}": item.text for item in version.tables}
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))


def _write_log(folder: Path, rows: Iterator[LogEntry], added: dict[int, str]) -> None:
    """Write the log, and collect when participants were added."""
    with (
        (folder / "events.csv").open("x", encoding="utf-8", errors="replace", newline="") as table,
        (folder / "events.jsonl").open("x", encoding="utf-8", errors="replace", newline="") as log,
    ):
        table.write(csv_heading(LOG_COLUMNS))
        while page := list(islice(rows, _PAGE)):
            table.write(csv_lines(map(log_cells, page), LOG_COLUMNS))
            log.write(json_lines(page))
            for entry in page:
                if entry.type == EventType.PARTICIPANT_ADDED and entry.participant_index:
                    added.setdefault(entry.participant_index, entry.time)


def _copy_uploads(
    source: Path | None, session: str, target: Path, logged: Mapping[str, LoggedFile]
) -> tuple[int, list[str]]:
    """Copy the files that a session's apps uploaded, and compare the copies with the log.

    Returns their number, and the differences.
    """
    if source is None:
        return 0, [
            f"{file.path} is not copied (name its folder with --data)" for file in logged.values()
        ]
    from experiment_server.store.file_check import problem_of
    from experiment_server.store.uploaded_files import stored_files

    paths = list(stored_files(source, session))
    for path, name in progress(paths, "files", len(paths)):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / name)
    problems = (problem_of(file, target / file.path) for file in logged.values())
    return len(paths), [problem for problem in problems if problem]
