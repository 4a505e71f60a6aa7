"""Reads the files of a study's tables, only inside the study's folder."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from experiment_server.limits.study import STUDY_MAX_BYTES
from experiment_server.study.source import TableFile, Unreadable


def read_tables(
    folder: Path, paths: Iterable[str], instead: Mapping[str, str] | None = None
) -> tuple[TableFile, ...]:
    """The tables of these paths, sorted by path, each with its text or the reason for its absence.

    For a path in `instead`, the table gets that text instead of the file's.
    """
    return tuple(_read(folder, path, (instead or {}).get(path)) for path in sorted(paths))


def table_place(folder: Path, path: str) -> Path | None:
    """The path of a table's file with links resolved; None if it is outside the folder."""
    place = (folder / path).resolve()
    return place if place.is_relative_to(folder.resolve()) else None


def _read(folder: Path, path: str, instead: str | None) -> TableFile:
    try:
        place = table_place(folder, path)
        if place is None:
            return _unreadable(
                path,
                "leads out of the study's folder",
                "put the file itself beside the study, instead of a link to it",
            )
        if instead is not None:
            return TableFile(path, instead)
        content = read_file(place)
    except FileNotFoundError:
        return _unreadable(path, "does not exist", "put the file beside the study")
    except RuntimeError:
        # Up to Python 3.12, a circle of links raises RuntimeError.
        return _unreadable(path, _CIRCLE)
    except OSError as error:
        circle = error.errno == errno.ELOOP
        return _unreadable(path, _CIRCLE if circle else f"cannot be read: {error.strerror}")
    if content is None:
        return _unreadable(path, "is no file", "name a file")
    if len(content) > STUDY_MAX_BYTES:
        return _unreadable(
            path,
            f"has more than {STUDY_MAX_BYTES // 1024**2} MB",
            "large data belongs into files of the app",
        )
    try:
        return TableFile(path, content.decode("utf-8"))
    except UnicodeDecodeError as error:
        return _unreadable(
            path,
            f"this line is not UTF-8 text (byte {error.start} of the file)",
            'save the file as UTF-8; a spreadsheet calls it "CSV UTF-8"',
            line=content.count(b"\n", 0, error.start) + 1,
        )


_CIRCLE = "cannot be read: its links go in a circle"


def read_file(place: Path) -> bytes | None:
    """The content of a file, up to a byte more than allowed; None if it is no regular file.

    Raises OSError.
    """
    # Without O_NONBLOCK, opening a pipe would wait for a writer.
    descriptor = os.open(place, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        # Before fdopen, which fails for a folder and would leave the descriptor open.
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(STUDY_MAX_BYTES + 1)
    finally:
        os.close(descriptor)


def _unreadable(
    path: str, message: str, hint: str | None = None, line: int | None = None
) -> TableFile:
    return TableFile(path, "", Unreadable(message, hint, line))
