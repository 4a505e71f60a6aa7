"""`events`: show the event log, and verify that it was not changed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from experiment_server.cli.output import data_stream, note, progress
from experiment_server.cli.stored import (
    data_folder_of,
    data_option,
    session_of,
    session_option,
    stored_argument,
)
from experiment_server.errors import LogBroken
from experiment_server.limits.session import PARTICIPANT_INDEX_MAX

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from experiment_server.participants.events import Entry
    from experiment_server.store.check import Verdict
    from experiment_server.wire.events import LogEntry
    from experiment_server.wire.values import JsonObject


def _parse_hash(
    _context: click.Context, _option: click.Parameter, expected: str | None
) -> str | None:
    if expected is None or re.fullmatch("[0-9a-fA-F]{64}", expected.strip()):
        return expected and expected.strip().lower()
    raise click.BadParameter(
        f"a hash has 64 hexadecimal digits, as --check prints it; got {expected!r}"
    )


@click.command(
    name="events",
    epilog="Examples: `experiment-server events study.toml -i 7`, `experiment-server events "
    "study.toml --check`. Record the hash that --check prints, in a lab book or a "
    "preregistration. Later, `--check --noted HASH` proves that no entry up to this hash was "
    "changed. Without a recorded hash, a person with write access to the database could replace "
    "the whole log.",
)
@stored_argument
@session_option
@click.option(
    "-i",
    "--participant-index",
    type=click.IntRange(1, PARTICIPANT_INDEX_MAX),
    metavar="N",
    help="Only participant N.",
)
@click.option(
    "--check",
    is_flag=True,
    help="Verify that no entry was changed, removed or inserted, and that the study versions, the "
    "participants' positions, their overrides, the records and the uploaded files match the log.",
)
@click.option(
    "--noted",
    "expected",
    metavar="HASH",
    callback=_parse_hash,
    help="With --check: a recorded hash that has to be in the log.",
)
@data_option
def command(
    file: str,
    session: str,
    participant_index: int | None,
    check: bool,
    expected: str | None,
    data: Path | None,
) -> None:
    """Show the event log of FILE, also while a server writes it."""
    if expected is not None and not check:
        raise click.UsageError("--noted needs --check")
    if data is not None and not check:
        raise click.UsageError("--data needs --check")
    if check:
        _check(file, session, expected, data_folder_of(file, data))
        return
    from experiment_server.store import records

    with session_of(file, session) as (connection, number):
        out = data_stream()
        for entry in records.all_entries(connection, number, participant_index):
            out.write(f"{_format_entry(entry.on_wire())}\n")


def _check(file: str, session: str, expected: str | None, folder: Path | None) -> None:
    from experiment_server.store.uploaded_files import stored_files

    # Listed before the log is read, because a running server stores files, and logs them later.
    present = [] if folder is None else [name for _, name in stored_files(folder, session)]
    with session_of(file, session) as (connection, number):
        verdict = _check_log(connection, number, expected)
        _check_files(connection, number, session, folder, present)
    note(
        f"Intact: {verdict.head.id} entries, and the stored state matches them. "
        "The hash of the last entry, to record elsewhere:"
    )
    click.echo(verdict.head.hash)


def _check_log(connection: Connection, session: int, expected: str | None) -> Verdict:
    from experiment_server.store import records
    from experiment_server.store.check import check

    count = records.count(connection, session)
    entries: Iterable[Entry] = records.all_entries(connection, session)
    verdict = check(connection, session, progress(entries, "Checking", count), expected)
    if verdict.problem:
        raise LogBroken(
            f"not intact: {verdict.problem}. The first {verdict.head.id} entries of the log are "
            "unchanged; compare the others with a backup"
        )
    if expected is not None and not verdict.seen:
        raise LogBroken(f"the log is consistent, but does not contain the hash {expected}")
    return verdict


def _check_files(
    connection: Connection, session: int, name: str, folder: Path | None, present: Iterable[Path]
) -> None:
    from experiment_server.store.file_check import check_files, logged_files
    from experiment_server.store.file_names import session_folder

    logged = logged_files(connection, session)
    if not logged:
        return
    if folder is None:
        note(f"Not compared: {len(logged):,} uploaded files. Name their folder with --data.")
        return
    files = progress(list(logged.values()), "Comparing files", len(logged))
    verdict = check_files(logged, files, session_folder(folder, name), present)
    if verdict.problems:
        raise LogBroken(
            f"{len(verdict.problems):,} of {len(logged):,} uploaded files in {folder} are not as "
            f"the log has them: {'; '.join(verdict.problems[:_LISTED_MAX])}. Restore them from a "
            "backup, or name another folder with --data"
        )
    note(f"Intact: {len(logged):,} uploaded files in {folder}, by their size and SHA-256.")
    if verdict.unlogged:
        note(f"The log does not know of: {', '.join(verdict.unlogged[:_LISTED_MAX])}.")


def _format_entry(entry: LogEntry) -> str:
    who = "" if entry.participant_index is None else f"participant {entry.participant_index}"
    return f"{entry.id:>6}  {entry.time}  {who:<16}{_format_data(entry.type, entry.data)}"


def _format_data(kind: str, data: JsonObject) -> str:
    words = [kind.replace("_", " ")]
    if "from" in data:
        words.append(f"{_format_position(data['from'])} -> {_format_position(data['to'])}")
    if "undoes" in data:
        words.append(f"undoes {data['undoes']}")
    if "version" in data:
        words.append(f"version {data['version']}")
    words += [f"{name} {_format_indices(data[name])}" for name in _LISTS if data.get(name)]
    if "table" in data:
        words.append(f"{data['count']} in {data['table']}")
    if "path" in data:
        words.append(f"{data['path']}  {data['bytes']:,} bytes")
    if "patch" in data:
        words.append(str(data["patch"]))
    if data.get("first"):
        words.append(data["first"][0]["message"])
    if "by" in data:
        words.append(f"by {data['by']}")
    if data.get("reason"):
        words.append(f"({data['reason']})")
    return "  ".join(words)


_LISTS = ("reordered", "ended", "kept")
_LISTED_MAX = 10


def _format_indices(indices: list[int]) -> str:
    shown = ", ".join(map(str, indices[:_LISTED_MAX]))
    return f"{shown} and {len(indices) - _LISTED_MAX} more" if len(indices) > _LISTED_MAX else shown


def _format_position(place: JsonObject) -> str:
    block_id, name = place["block_id"], place["block_name"]
    return name if name in ("START", "END") else f"{block_id}:{name}"
