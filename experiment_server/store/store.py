"""Participants' states, kept so that an acknowledged change survives the power cord."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock
from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from experiment_server.errors import DatabaseUnusable, RevisionConflict, StoreUnavailable
from experiment_server.flow.participant import ParticipantState
from experiment_server.store import database
from experiment_server.store.schema import participants
from experiment_server.store.writer import Writer


@dataclass(frozen=True, slots=True)
class Change:
    """A participant's next state, and the revision it was made from; None adds a participant."""

    state: ParticipantState
    read_revision: int | None


class Store:
    """The durable state of one study.

    `path` is the database file, None for a database in memory; `address` is told to a second
    server that finds the file in use. Raises DatabaseInUse and DatabaseUnusable.
    """

    def __init__(self, path: Path | None, address: str = "") -> None:
        self._lock: FileLock | None = database.lock(path) if path else None
        self._writer = Writer(database.connect(path))

        def prepare(connection: Connection) -> None:
            database.migrate(connection, path)
            database.announce(connection, address)

        try:
            self._writer.submit(prepare).result()
        except DatabaseUnusable:
            self.close()
            raise
        except StoreUnavailable as error:
            self.close()
            raise DatabaseUnusable(f"{path} cannot be opened: {error}") from None

    def load(self) -> Future[list[ParticipantState]]:
        """All participants, ascending by index."""
        return self._writer.submit(_load)

    def read(self, participant_index: int) -> Future[ParticipantState | None]:
        """One participant as committed, None if there is no such participant."""
        return self._writer.submit(lambda connection: _read(connection, participant_index))

    def commit(self, changes: Sequence[Change]) -> Future[None]:
        """Keep all the changes or none; the future is done once they are on the disk.

        It fails with RevisionConflict if a participant is no longer at the revision that was
        read, or to be added and there already, and with StoreUnavailable if the database refuses.
        """
        return self._writer.submit(lambda connection: _commit(connection, changes))

    def close(self) -> None:
        """Finish what was submitted and let the database go."""
        self._writer.close()
        if self._lock:
            self._lock.release()


def _load(connection: Connection) -> list[ParticipantState]:
    rows = connection.execute(select(participants).order_by(participants.c.participant_index))
    return [ParticipantState(**row._mapping) for row in rows]


def _read(connection: Connection, participant_index: int) -> ParticipantState | None:
    query = select(participants).where(participants.c.participant_index == participant_index)
    row = connection.execute(query).first()
    return ParticipantState(**row._mapping) if row else None


def _commit(connection: Connection, changes: Sequence[Change]) -> None:
    for change in changes:
        index = change.state.participant_index
        if change.read_revision is None:
            try:
                connection.execute(insert(participants).values(**asdict(change.state)))
            except IntegrityError:
                raise RevisionConflict(f"participant {index} was added before") from None
            continue
        result = connection.execute(
            update(participants)
            .where(
                participants.c.participant_index == index,
                participants.c.revision == change.read_revision,
            )
            .values(**asdict(change.state))
        )
        if result.rowcount == 0:
            raise RevisionConflict(
                f"participant {index} is no longer at revision {change.read_revision}"
            )
