"""Compares the files that apps uploaded with the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from experiment_server.participants.uploads import LoggedFile, logged_file
from experiment_server.store import records
from experiment_server.store.uploaded_files import digest_of


@dataclass(frozen=True, slots=True)
class FilesVerdict:
    """The result of a comparison: the changed or missing files, and those without an entry."""

    problems: list[str]
    unlogged: list[str]


def logged_files(connection: Connection, session: int) -> dict[str, LoggedFile]:
    """The files of a session by their path; the last entry of a path counts."""
    entries = records.all_file_entries(connection, session)
    return {file.path: file for file in map(logged_file, entries)}


def check_files(
    logged: Mapping[str, LoggedFile],
    files: Iterable[LoggedFile],
    folder: Path,
    present: Iterable[Path],
) -> FilesVerdict:
    """Read `files`, all of those that the log has, and compare size and SHA-256 with the log.

    `folder` has the files of the session. `present` are their paths in it, listed before the log
    was read: so none of them was stored later.
    """
    problems = (problem_of(file, folder / file.path) for file in files)
    names = (path.as_posix() for path in present)
    return FilesVerdict(
        [problem for problem in problems if problem],
        [name for name in names if name not in logged],
    )


def problem_of(file: LoggedFile, path: Path) -> str | None:
    """The difference of a file on the disk from the log, None if there is none."""
    try:
        if path.stat().st_size == file.bytes and digest_of(path).hex() == file.sha256:
            return None
    except FileNotFoundError:
        return f"{file.path} is gone"
    except OSError as error:
        return f"{file.path} cannot be read ({error.strerror})"
    return f"{file.path} was changed"
