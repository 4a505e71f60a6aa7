"""`events`: what happened, and how far it can be proved that nothing of it was changed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from experiment_server.cli.output import data_stream, note, progress
from experiment_server.cli.stored import session_of, session_option, stored_argument
from experiment_server.errors import LogBroken
from experiment_server.limits import PARTICIPANT_INDEX_MAX

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from experiment_server.participants.events import Entry
    from experiment_server.wire.events import LogEntry
    from experiment_server.wire.values import JsonObject


def _hash(_context: click.Context, _option: click.Parameter, noted: str | None) -> str | None:
    if noted is None or re.fullmatch("[0-9a-fA-F]{64}", noted.strip()):
        return noted and noted.strip().lower()
    raise click.BadParameter(
        f"a hash has 64 hexadecimal digits, as --check prints it; got {noted!r}"
    )


@click.command(
    name="events",
    epilog="Examples: `experiment-server events study.toml -i 7`, `experiment-server events "
    "study.toml --check`. Write the hash down that --check prints, in a lab book or a "
    "preregistration; `--check --noted HASH` proves later that nothing up to there was changed. "
    "Without such a note, who can write the database can also write a log that fits it.",
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
    help="Check that no entry was changed, removed or put in, and that the study's versions and "
    "everybody's place and overrides are those that the log tells of.",
)
@click.option(
    "--noted",
    metavar="HASH",
    callback=_hash,
    help="With --check: a hash that has to be in the log.",
)
def command(
    file: str, session: str, participant_index: int | None, check: bool, noted: str | None
) -> None:
    """Show the event log of FILE, also while a server writes it."""
    if noted is not None and not check:
        raise click.UsageError("--noted goes with --check")
    from experiment_server.store import records

    with session_of(file, session) as (connection, number):
        if check:
            _check(connection, number, noted)
            return
        out = data_stream()
        for entry in records.all_entries(connection, number, participant_index):
            out.write(f"{_line(entry.on_wire())}\n")


def _check(connection: Connection, session: int, noted: str | None) -> None:
    from experiment_server.store import records
    from experiment_server.store.check import check

    count = records.count(connection, session)
    entries: Iterable[Entry] = records.all_entries(connection, session)
    verdict = check(connection, session, progress(entries, "Checking", count), noted)
    if verdict.problem:
        raise LogBroken(
            f"not whole: {verdict.problem}. The log's first {verdict.head.id} entries are as they "
            "were written; compare with a backup"
        )
    if noted is not None and not verdict.seen:
        raise LogBroken(f"the log is whole in itself, but {noted} is not in it: it is another one")
    note(
        f"Whole: {verdict.head.id} entries, and all that is stored fits them. "
        "The last one's hash, to be noted elsewhere:"
    )
    click.echo(verdict.head.hash)


def _line(entry: LogEntry) -> str:
    who = "" if entry.participant_index is None else f"participant {entry.participant_index}"
    return f"{entry.id:>6}  {entry.time}  {who:<16}{_told(entry.type, entry.data)}"


def _told(kind: str, data: JsonObject) -> str:
    words = [kind.replace("_", " ")]
    if "from" in data:
        words.append(f"{_place(data['from'])} -> {_place(data['to'])}")
    if "undoes" in data:
        words.append(f"undoes {data['undoes']}")
    if "version" in data:
        words.append(f"version {data['version']}")
    words += [f"{name} {_list(data[name])}" for name in _LISTS if data.get(name)]
    if "table" in data:
        words.append(f"{data['count']} in {data['table']}")
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
_LISTED = 10


def _list(indices: list[int]) -> str:
    shown = ", ".join(map(str, indices[:_LISTED]))
    return f"{shown} and {len(indices) - _LISTED} more" if len(indices) > _LISTED else shown


def _place(place: JsonObject) -> str:
    block_id, name = place["block_id"], place["block_name"]
    return name if name in ("START", "END") else f"{block_id}:{name}"
