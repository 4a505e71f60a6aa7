"""Copies a database, also while a server writes to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from experiment_server.errors import DatabaseUnusable, OutputUnwritable
from experiment_server.store.database import DatabaseAddress
from experiment_server.store.drafts import FileDraft
from experiment_server.store.integrity import inspect

# The pages copied in one step. A server that writes meanwhile waits for at most one step.
_STEP_PAGES = 1024

Progress = Callable[[int, int], None]
"""A callback with the number of remaining pages, and of all pages."""


def back_up(
    place: DatabaseAddress, out: Path, progress: Progress, *, with_keys: bool = False
) -> None:
    """Copy a SQLite database into a new file, with the state of one moment, and check the copy.

    The copy contains the keys that sign participants' links only if `with_keys` is set. Raises
    DatabaseUnusable if `place` is not one of our databases, and OutputUnwritable if the file exists
    or cannot be written.
    """
    if place.path is None:
        raise DatabaseUnusable(
            f"{place} is PostgreSQL's, whose own tool copies it safely: "
            f"pg_dump --format=custom --file={out} {place}"
        )
    if not place.path.is_file():
        raise DatabaseUnusable(f"there is no database {place.path} to copy")
    if out.exists():
        raise OutputUnwritable(f"{out} is there already, and was not overwritten")
    try:
        draft = FileDraft.at(out.with_name(f".{out.name}.part"))
        try:
            _copy(place.path, draft.path, progress, with_keys=with_keys)
            inspect(DatabaseAddress.of(draft.path))
            draft.finish()
            draft.publish(out)
        finally:
            draft.discard()
    except sqlite3.Error as error:
        raise DatabaseUnusable(f"{place.path} could not be copied: {error}") from None
    except OSError as error:
        raise OutputUnwritable(f"{out} could not be written: {error.strerror or error}") from None


def _copy(source: Path, target: Path, progress: Progress, *, with_keys: bool) -> None:
    reading = sqlite3.connect(f"{source.resolve().as_uri()}?mode=rw", uri=True)
    try:
        writing = sqlite3.connect(target)
        try:
            reading.backup(
                writing,
                pages=_STEP_PAGES,
                progress=lambda _status, remaining, total: progress(remaining, total),
            )
            if not with_keys:
                _remove_keys(writing)
        finally:
            writing.close()
    finally:
        reading.close()


def _remove_keys(database: sqlite3.Connection) -> None:
    columns = [name for _, name, *_ in database.execute("PRAGMA table_info(sessions)")]
    # A database of an older release has no keys.
    if "signing_key" in columns:
        database.execute("UPDATE sessions SET signing_key = NULL")
        database.commit()
        # The file still contains the old values until it is rewritten.
        database.execute("VACUUM")
