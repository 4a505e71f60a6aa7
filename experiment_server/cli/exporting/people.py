"""participants: a row for each person, and the blocks that each of them gets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct, structs

from experiment_server.cli.exporting.columns import (
    OF_SERVER,
    OF_STUDY,
    Column,
    Facts,
    Kind,
    declared_columns,
)
from experiment_server.errors import ExpansionFailed
from experiment_server.participants.blocks import BlockSequence
from experiment_server.participants.events import Entry
from experiment_server.participants.snapshots import all_configs
from experiment_server.participants.state import START, ParticipantState, row_of
from experiment_server.study.expand import cell_of
from experiment_server.study.model import Study
from experiment_server.wire.events import Moved
from experiment_server.wire.snapshots import Timestamp
from experiment_server.wire.values import JsonObject

_SOURCE = f"{OF_SERVER}: participants"


class Version(NamedTuple):
    """A version of the study that was served."""

    number: int
    digest: str
    study: Study | None


class Person(Struct, frozen=True, kw_only=True):
    """A row of participants. The columns of between-subjects factors and counts follow it."""

    participant_index: Annotated[int, Meta(description="The number of the participant, from 1.")]
    session: Annotated[str, Meta(description="The session of the study, for example pilot.")]
    status: Annotated[
        str, Meta(description="added: in no block yet; started; finished: past the last block.")
    ]
    row: Annotated[int, Meta(description="The row of the design that the participant follows.")]
    order: Annotated[
        list[str] | None, Meta(description="The names of the participant's blocks, in order.")
    ]
    study_version: Annotated[
        int | None, Meta(description="The version of the study that the participant has.")
    ]
    added_at: Annotated[Timestamp | None, Meta(description="When they were added, in UTC.")]
    started_at: Annotated[Timestamp | None, Meta(description="When their first block began.")]
    finished_at: Annotated[Timestamp | None, Meta(description="When they reached the end.")]
    minutes: Annotated[float | None, Meta(description="From started_at to finished_at.")]
    visits: Annotated[int, Meta(description="The number of stays in blocks.")]
    blocks_visited: Annotated[int, Meta(description="The number of different blocks.")]
    block_id: Annotated[int, Meta(description="The current position: -1 before the first block.")]
    overrides: Annotated[
        list[JsonObject] | None,
        Meta(description="Changes of the config for this participant only."),
    ]
    records: Annotated[int, Meta(description="The number of records in all tables.")]


class People:
    """The participants of a session, with what the log and the study say of them."""

    def __init__(
        self,
        session: str,
        versions: Sequence[Version],
        records: Mapping[int, Mapping[str, int]],
        tables: Sequence[str],
    ) -> None:
        self._session = session
        self._versions = {version.digest: version for version in versions}
        self._served = versions[-1] if versions else None
        self._records = records
        self._tables = tables
        own = declared_columns(Person, _SOURCE)
        levels = _levels_of(versions)
        self._factors = {name: f"factor.{name}" if name in own else name for name in levels}
        self._counts = {table: f"records_{table}" for table in tables}
        self.columns = [*own.values()]
        self.columns += [
            Column(
                column,
                f"{OF_STUDY}: between-subjects factor",
                levels[name].kind,
                "The participant's level of this factor.",
            )
            for name, column in self._factors.items()
        ]
        self.columns += [
            Column(column, _SOURCE, Kind.INTEGER, f"The number of records in the table {table}.")
            for table, column in self._counts.items()
        ]
        self.unexpanded: list[int] = []

    def rows(
        self,
        states: Iterable[ParticipantState],
        moves: Iterable[Entry],
        added: Mapping[int, str],
        expanded: Path,
    ) -> Iterator[JsonObject]:
        """The rows of all participants; writes the blocks of each into the folder `expanded`.

        States and moves are ordered by participant.
        """
        expanded.mkdir()
        journeys = groupby(moves, lambda entry: entry.participant_index or 0)
        index, entries = next(journeys, (0, iter(())))
        for state in states:
            while index and index < state.participant_index:
                index, entries = next(journeys, (0, iter(())))
            own = entries if index == state.participant_index else iter(())
            yield self._row(state, _Journey(own), added.get(state.participant_index), expanded)

    def _row(
        self, state: ParticipantState, journey: _Journey, added_at: str | None, expanded: Path
    ) -> JsonObject:
        index = state.participant_index
        version = self._versions.get(state.study) if state.study else self._served
        study = version.study if version else None
        counts = self._records.get(index, {})
        finished_at = journey.finished_at if state.ended else None
        person = Person(
            participant_index=index,
            session=self._session,
            status=_status(state),
            row=row_of(state),
            order=self._expand(state, study, expanded) if study else None,
            study_version=version.number if version else None,
            added_at=added_at,
            started_at=journey.started_at,
            finished_at=finished_at,
            minutes=_minutes(journey.started_at, finished_at),
            visits=journey.visits,
            blocks_visited=len(journey.blocks),
            block_id=state.block_id,
            overrides=[asdict(item) for item in state.overrides] or None,
            records=sum(counts.values()),
        )
        levels = cell_of(study, row_of(state)).levels if study else {}
        return {
            **structs.asdict(person),
            **{column: levels.get(name) for name, column in self._factors.items()},
            **{column: counts.get(table, 0) for table, column in self._counts.items()},
        }

    def _expand(self, state: ParticipantState, study: Study, expanded: Path) -> list[str]:
        sequence = BlockSequence(study, 0, state.participant_index, state.row)
        try:
            configs = all_configs(state, sequence)
        except ExpansionFailed:
            self.unexpanded.append(state.participant_index)
        else:
            text = json.dumps(configs, ensure_ascii=False, indent=2)
            path = expanded / f"{state.participant_index}.json"
            path.write_text(f"{text}\n", encoding="utf-8", newline="")
        return list(sequence.names)


class _Journey:
    """What the moves of one participant add up to."""

    def __init__(self, moves: Iterable[Entry]) -> None:
        self.started_at: str | None = None
        self.finished_at: str | None = None
        self.visits = 0
        self.blocks: set[tuple[int, str]] = set()
        for entry in moves:
            move = entry.data_as(Moved)
            if move.in_block:
                self.started_at = self.started_at or entry.time
                self.visits += 1
                self.blocks.add((move.destination.block_id, move.destination.block_name))
            # Of several moves to the end, the last one counts.
            self.finished_at = entry.time


def _levels_of(versions: Iterable[Version]) -> dict[str, Facts]:
    """The levels of each between-subjects factor, in all versions."""
    found: dict[str, Facts] = {}
    for version in versions:
        between = version.study.between if version.study else None
        for cell in between.cells if between else ():
            for name, level in cell.levels.items():
                found.setdefault(name, Facts()).take(level)
    return found


def _status(state: ParticipantState) -> str:
    if state.ended:
        return "finished"
    return "added" if state.block_id == START else "started"


def _minutes(start: str | None, end: str | None) -> float | None:
    if start is None or end is None:
        return None
    moments = [datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (start, end)]
    return max(0.0, round((moments[1] - moments[0]).total_seconds() / 60, 3))
