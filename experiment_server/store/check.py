"""Checks a session: its log, and that the stored state follows from the log."""

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
    """The result of a check: `problem` is None if nothing was changed.

    `head` is the end of the log, or the last unchanged entry; `seen` tells whether the log contains
    the expected hash.
    """

    head: Head
    problem: str | None = None
    seen: bool = False


def check(
    connection: Connection, session: int, entries: Iterable[Entry], noted: str | None = None
) -> Verdict:
    """Verify the hash chain of a session's log, and compare the stored state with the log.

    `entries` are all entries of the log, ascending; `noted` is a hash that somebody noted earlier.
    Every entry has to follow the previous one, and the last one has to be the stored end of the
    log. The study versions, all participants' states and all records of results have to follow
    from the entries.
    """
    head, seen = Head(), False
    logged = _LoggedState()
    for entry in entries:
        problem = chain_error(entry, head)
        if problem:
            return Verdict(head, problem, seen)
        head = Head(entry.id, entry.hash)
        seen = seen or entry.hash == noted
        logged.apply(entry)
    stored_head = records.head(connection, session)
    if stored_head != head:
        return Verdict(
            head, f"the log ends at entry {head.id}, and should at {stored_head.id}", seen
        )
    problem = (
        _version_problem(connection, session, logged)
        or _participant_problem(connection, session, logged)
        or _record_problem(connection, session, logged)
    )
    return Verdict(head, problem, seen)


_NO_OVERRIDES = digest_of_overrides(())


@dataclass(slots=True)
class _LoggedParticipant:
    """The state of a participant according to the log; `overrides` is their digest."""

    block_id: int = START
    ended: bool = False
    revision: int = 0
    study: str | None = None
    overrides: str = _NO_OVERRIDES
    row: int | None = None


@dataclass(slots=True)
class _LoggedState:
    """The state of a session according to its log."""

    states: dict[int, _LoggedParticipant] = field(default_factory=dict)
    versions: dict[int, str] = field(default_factory=dict)
    batches: dict[tuple[int, int], Recorded] = field(default_factory=dict)

    def apply(self, entry: Entry) -> None:
        """Apply the next entry."""
        if entry.type == EventType.STUDY_LOADED.value:
            self._load(entry.data_as(StudyLoaded))
        elif entry.participant_index is None or entry.type == EventType.FILE_STORED.value:
            return
        elif entry.type == EventType.RECORDED.value:
            self.batches[entry.participant_index, entry.id] = entry.data_as(Recorded)
        elif entry.type == EventType.PARTICIPANT_ADDED.value:
            self.states[entry.participant_index] = _LoggedParticipant(
                row=entry.data_as(ParticipantAdded).row
            )
        else:
            self._change(
                self.states.setdefault(entry.participant_index, _LoggedParticipant()), entry
            )

    def _change(self, state: _LoggedParticipant, entry: Entry) -> None:
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


def _version_problem(connection: Connection, session: int, logged: _LoggedState) -> str | None:
    stored = {item.version: item for item in records.versions(connection, session)}
    for number, digest in logged.versions.items():
        if number not in stored:
            return f"version {number} of the study is in the log, and is gone"
        if not digest == stored[number].digest == stored[number].source.digest:
            return f"version {number} of the study was changed after it was loaded"
    unlogged = sorted(stored.keys() - logged.versions.keys())
    return (
        f"version {unlogged[0]} of the study is stored, and was never loaded" if unlogged else None
    )


def _participant_problem(connection: Connection, session: int, logged: _LoggedState) -> str | None:
    stored = {state.participant_index: state for state in records.states(connection, session)}
    for index, expected in logged.states.items():
        if index not in stored:
            return f"participant {index} is in the log, and is gone"
        state = stored[index]
        if state.block_id != expected.block_id:
            return (
                f"participant {index} stands at block {state.block_id}, and their last move in "
                f"the log was to block {expected.block_id}"
            )
        for name in ("ended", "revision", "study", "row"):
            if getattr(state, name) != getattr(expected, name):
                return (
                    f'participant {index} has the {name} "{getattr(state, name)}", and by the log '
                    f'it is "{getattr(expected, name)}"'
                )
        if digest_of_overrides(state.overrides) != expected.overrides:
            return f"the overrides of participant {index} are not those that the log tells of"
    unlogged = sorted(stored.keys() - logged.states.keys())
    return (
        f"participant {unlogged[0]} is stored, and the log does not know of them"
        if unlogged
        else None
    )


def _record_problem(connection: Connection, session: int, logged: _LoggedState) -> str | None:
    missing = dict(logged.batches)
    for batch in result_records.batches(result_records.all_records(connection, session)):
        expected = missing.pop((batch.participant_index, batch.event_id), None)
        name = f"records of participant {batch.participant_index} (entry {batch.event_id})"
        if expected is None:
            return f"{name} are stored, and the log does not know of them"
        if (batch.table, len(batch.records), batch_hash(batch.records)) != (
            expected.table,
            expected.count,
            expected.sha256,
        ):
            return f"{name} are not those that were sent"
    if missing:
        index, event_id = min(missing)
        return f"records of participant {index} (entry {event_id}) are in the log, and are gone"
    return None
