"""Proof that a session is as it was written: its log, and everything that follows from the log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from experiment_server.participants.events import Entry, Head, chain_error
from experiment_server.participants.overrides import digest_of_overrides
from experiment_server.participants.results import batch_hash
from experiment_server.participants.state import START
from experiment_server.store import records, result_records
from experiment_server.wire.events import (
    ConfigOverridden,
    EventType,
    Moved,
    ParticipantAdded,
    ParticipantReset,
    Recorded,
    StudyLoaded,
)


@dataclass(slots=True)
class Verdict:
    """What a check has found: `problem` is None where all is as it was written.

    `head` is the end of the log, or the last entry that is as it was written; `seen` tells whether
    the hash that was asked for is in it.
    """

    head: Head
    problem: str | None = None
    seen: bool = False


def check(
    connection: Connection, session: int, entries: Iterable[Entry], noted: str | None = None
) -> Verdict:
    """Follow the chain of a session's log to its end, and compare with it what is stored.

    `entries` are all of the log's, ascending; `noted` is a hash that was written down before. Every
    entry has to follow the one before it, and the last one has to be the one that is noted beside
    the log. The versions of the study, and everybody's place, revision, version and overrides, and
    all records of results, have to be those that the entries lead to.
    """
    head, seen = Head(), False
    told = _Told()
    for entry in entries:
        problem = chain_error(entry, head)
        if problem:
            return Verdict(head, problem, seen)
        head = Head(entry.id, entry.hash)
        seen = seen or entry.hash == noted
        told.take(entry)
    kept = records.head(connection, session)
    if kept != head:
        return Verdict(head, f"the log ends at entry {head.id}, and should at {kept.id}", seen)
    problem = (
        _changed_version(connection, session, told)
        or _changed_state(connection, session, told)
        or _changed_records(connection, session, told)
    )
    return Verdict(head, problem, seen)


_NO_OVERRIDES = digest_of_overrides(())


@dataclass(slots=True)
class _State:
    """What the log says of a participant; `overrides` is their digest."""

    block_id: int = START
    ended: bool = False
    revision: int = 0
    study: str | None = None
    overrides: str = _NO_OVERRIDES
    row: int | None = None


@dataclass(slots=True)
class _Told:
    """What the entries of a log lead to."""

    states: dict[int, _State] = field(default_factory=dict)
    versions: dict[int, str] = field(default_factory=dict)
    batches: dict[tuple[int, int], Recorded] = field(default_factory=dict)

    def take(self, entry: Entry) -> None:
        """Take the next entry."""
        if entry.type == EventType.STUDY_LOADED.value:
            self._load(entry.data_as(StudyLoaded))
        elif entry.participant_index is None:
            return
        elif entry.type == EventType.RECORDED.value:
            self.batches[entry.participant_index, entry.id] = entry.data_as(Recorded)
        elif entry.type == EventType.PARTICIPANT_ADDED.value:
            self.states[entry.participant_index] = _State(row=entry.data_as(ParticipantAdded).row)
        else:
            self._change(self.states.setdefault(entry.participant_index, _State()), entry)

    def _change(self, state: _State, entry: Entry) -> None:
        if entry.type == EventType.MOVED.value:
            move = entry.data_as(Moved)
            state.revision = move.revision
            state.block_id = move.destination.block_id
            state.ended = not move.in_block and state.block_id != START
        elif entry.type == EventType.CONFIG_OVERRIDDEN.value:
            change = entry.data_as(ConfigOverridden)
            state.revision, state.overrides = change.revision, change.overrides
        elif entry.type == EventType.PARTICIPANT_RESET.value:
            state.revision = entry.data_as(ParticipantReset).revision
            state.overrides = _NO_OVERRIDES

    def _load(self, loaded: StudyLoaded) -> None:
        self.versions[loaded.version] = loaded.digest
        kept = frozenset(loaded.kept)
        for index, state in self.states.items():
            study = (state.study or loaded.kept_study) if index in kept else None
            if study != state.study:
                state.study = study
                state.revision += 1


def _changed_version(connection: Connection, session: int, told: _Told) -> str | None:
    stored = {item.version: item for item in records.versions(connection, session)}
    for number, digest in told.versions.items():
        if number not in stored:
            return f"version {number} of the study is in the log, and is gone"
        if not digest == stored[number].digest == stored[number].source.digest:
            return f"version {number} of the study was changed after it was loaded"
    more = sorted(stored.keys() - told.versions.keys())
    return f"version {more[0]} of the study is stored, and was never loaded" if more else None


def _changed_state(connection: Connection, session: int, told: _Told) -> str | None:
    stored = {state.participant_index: state for state in records.states(connection, session)}
    for index, said in told.states.items():
        if index not in stored:
            return f"participant {index} is in the log, and is gone"
        state = stored[index]
        if state.block_id != said.block_id:
            return (
                f"participant {index} stands at block {state.block_id}, and their last move in "
                f"the log was to block {said.block_id}"
            )
        for name in ("ended", "revision", "study", "row"):
            if getattr(state, name) != getattr(said, name):
                return (
                    f'participant {index} has the {name} "{getattr(state, name)}", and by the log '
                    f'it is "{getattr(said, name)}"'
                )
        if digest_of_overrides(state.overrides) != said.overrides:
            return f"the overrides of participant {index} are not those that the log tells of"
    more = sorted(stored.keys() - told.states.keys())
    return f"participant {more[0]} is stored, and the log does not know of them" if more else None


def _changed_records(connection: Connection, session: int, told: _Told) -> str | None:
    unseen = dict(told.batches)
    for batch in result_records.batches(result_records.all_records(connection, session)):
        said = unseen.pop((batch.participant_index, batch.event_id), None)
        which = f"records of participant {batch.participant_index} (entry {batch.event_id})"
        if said is None:
            return f"{which} are stored, and the log does not know of them"
        if (batch.table, len(batch.records), batch_hash(batch.records)) != (
            said.table,
            said.count,
            said.sha256,
        ):
            return f"{which} are not those that were sent"
    if unseen:
        index, event_id = min(unseen)
        return f"records of participant {index} (entry {event_id}) are in the log, and are gone"
    return None
