"""timings: a row for each stay of a participant in a block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import structs

from experiment_server.cli.exporting.columns import OF_SERVER, Column, declared_columns
from experiment_server.cli.exporting.people import Person
from experiment_server.participants.events import Entry
from experiment_server.participants.timings import all_visits
from experiment_server.wire.replies import Visit
from experiment_server.wire.values import JsonObject

_SOURCE = f"{OF_SERVER}: the log"


def timing_columns() -> list[Column]:
    """The columns: those of a visit, with the session after the participant."""
    session = declared_columns(Person, _SOURCE)["session"]
    participant, *others = declared_columns(Visit, _SOURCE).values()
    return [participant, session, *others]


def timing_rows(session: str, moves: Iterable[Entry]) -> Iterator[JsonObject]:
    """The rows; moves are ordered by participant."""
    for visit in all_visits(moves):
        yield {**structs.asdict(visit), "session": session}
