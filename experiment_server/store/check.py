"""Proof that a log is whole."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from experiment_server.flow.events import Entry, EventType, Head, flaw
from experiment_server.store import records


@dataclass(slots=True)
class Verdict:
    """What a check has found: `problem` is None for a log that is whole.

    `head` is the end of the log; `seen` tells whether the hash that was asked for is in it.
    """

    head: Head
    problem: str | None = None
    seen: bool = False


def check(
    connection: Connection, session: int, entries: Iterable[Entry], noted: str | None = None
) -> Verdict:
    """Follow the chain of a session's log from its first entry to its end.

    `entries` are all of the log's, ascending; `noted` is a hash that was written down before. Every
    entry has to follow the one before it, the last one has to be the one that is noted beside the
    log, and participants have to stand where their last move took them.
    """
    head, seen = Head(), False
    places: dict[int, int] = {}
    for entry in entries:
        problem = flaw(entry, head)
        if problem:
            return Verdict(head, problem, seen)
        head = Head(entry.id, entry.hash)
        seen = seen or entry.hash == noted
        if entry.participant_index is None:
            continue
        if entry.type == EventType.PARTICIPANT_ADDED.value:
            places[entry.participant_index] = -1
        elif entry.type == EventType.MOVED.value:
            places[entry.participant_index] = json.loads(entry.data)["to"]["block_id"]
    kept = records.head(connection, session)
    if kept != head:
        return Verdict(head, f"the log ends at entry {head.id}, and should at {kept.id}", seen)
    return Verdict(head, _misplaced(connection, session, places), seen)


def _misplaced(connection: Connection, session: int, places: dict[int, int]) -> str | None:
    standing = {
        state.participant_index: state.block_id for state in records.states(connection, session)
    }
    for index, place in places.items():
        if index not in standing:
            return f"participant {index} is in the log, and is gone"
        if standing[index] != place:
            return (
                f"participant {index} stands at block {standing[index]}, and their last move in "
                f"the log was to block {place}"
            )
    return None
