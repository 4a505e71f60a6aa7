"""Compares the files that apps uploaded with the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from experiment_server.participants.uploads import LoggedFile, logged_file
from experiment_server.store import records
from experiment_server.store.uploaded_files import digest_of, session_folder, stored_files


@dataclass(slots=True)
class FilesVerdict:
    """The result of a comparison: the changed or missing files, and those without an entry."""

    problems: list[str] = field(default_factory=list)
    unlogged: list[str] = field(default_factory=list)


def logged_files(connection: Connection, session: int) -> dict[str, LoggedFile]:
    """The files of a session by their path; the last entry of a path counts."""
    entries = records.all_file_entries(connection, session)
    return {file.path: file for file in map(logged_file, entries)}


def check_files(
    logged: Mapping[str, LoggedFile], files: Iterable[LoggedFile], folder: Path, session: str
) -> FilesVerdict:
    """Read `files`, all of those that the log has, and compare size and SHA-256 with the log.

    `folder` has the files of all sessions.
    """
    own = session_folder(folder, session)
    verdict = FilesVerdict()
    for file in files:
        if problem := problem_of(file, own / file.path):
            verdict.problems.append(problem)
    names = (name.as_posix() for _, name in stored_files(folder, session))
    verdict.unlogged = [name for name in names if name not in logged]
    return verdict


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
