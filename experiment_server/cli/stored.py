"""The argument, the option and the connection of all commands that read a stored study."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

import click

from experiment_server.errors import SessionUnknown
from experiment_server.store.options import DEFAULT_SESSION

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from experiment_server.store.database import DatabaseAddress

P = ParamSpec("P")

_FILE_HELP = "FILE is the study file, its database, or postgresql://user@host/name."


def stored_argument(function: Callable[P, None]) -> Callable[P, None]:
    """Add the argument that names the study or its database."""
    return click.argument("file", metavar="FILE")(function)


def session_option(function: Callable[P, None]) -> Callable[P, None]:
    """Add the option that names the session."""
    return click.option(
        "--session",
        default=DEFAULT_SESSION,
        show_default=True,
        metavar="NAME",
        help=f"Which run of the study. {_FILE_HELP}",
    )(function)


def data_option(function: Callable[P, None]) -> Callable[P, None]:
    """Add the option that names the folder of uploaded files."""
    return click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="FOLDER",
        help="The folder of the files that apps uploaded, as for run. The default is the one "
        "beside the study, named after it.",
    )(function)


def data_folder_of(file: str, data: Path | None = None) -> Path | None:
    """The folder for uploads: `data`, or the one beside the study; None for a database elsewhere.

    A database of which only a copy was named has no such folder.
    """
    from experiment_server.store.uploaded_files import default_folder

    if data is not None or "://" in file:
        return data
    folder = default_folder(Path(file))
    return folder if folder.is_dir() or file.lower().endswith(".toml") else None


def place_of(file: str) -> DatabaseAddress:
    """The database that FILE means; the database of a study file is beside it."""
    from experiment_server.store.database import DatabaseAddress

    return DatabaseAddress.of(f"{file[:-5]}.sqlite3" if file.lower().endswith(".toml") else file)


@contextlib.contextmanager
def session_of(file: str, name: str) -> Iterator[tuple[Connection, int]]:
    """A connection that reads the state of one moment, and the id of the session.

    Raises DatabaseUnusable and SessionUnknown.
    """
    from experiment_server.store import database, records
    from experiment_server.store.integrity import open_for_reading

    with open_for_reading(place_of(file)) as connection:
        session = database.session_id(connection, name)
        if session is None:
            known = ", ".join(item.name for item in records.session_summaries(connection))
            raise SessionUnknown(
                f"there is no session {name!r}; there is {known or 'none yet'}. "
                "Choose one with --session"
            )
        yield connection, session
