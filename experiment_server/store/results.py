"""The files that apps send: kept in a folder, where none is ever lost or overwritten."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from dataclasses import dataclass
from pathlib import Path

from pathvalidate import sanitize_filename

from experiment_server.errors import ParameterInvalid, StoreUnavailable
from experiment_server.limits import RESULT_DEPTH, RESULT_NAME


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a file is, below the folder of all sessions, and whether it was there before."""

    path: str
    known: bool


class Results:
    """The folder of one session's files, which is made when the first of them comes."""

    def __init__(self, folder: Path, session: str) -> None:
        self._root = folder
        self._folder = folder.joinpath(*_names(session))

    def keep(self, path: str, content: bytes) -> Kept:
        """Write a file that an app wants to have at `path`, whose parts are made safe.

        Where another file is already, a number is put behind the name; the same file is not written
        twice. Raises ParameterInvalid for a path without any name, StoreUnavailable.
        """
        names = _names(path)
        if not names:
            raise ParameterInvalid(f"filepath has to name a file, and {path!r} does not")
        wanted = self._folder.joinpath(*names)
        try:
            wanted.parent.mkdir(parents=True, exist_ok=True)
            for number in itertools.count(1):
                name = wanted.name if number == 1 else f"{wanted.stem} ({number}){wanted.suffix}"
                target = wanted.with_name(name)
                try:
                    _write(target, content)
                except FileExistsError:
                    if target.is_file() and target.read_bytes() == content:
                        return Kept(self._below_root(target), known=True)
                else:
                    return Kept(self._below_root(target), known=False)
        except OSError as error:
            raise StoreUnavailable(f"{wanted} cannot be written: {error.strerror}") from error
        raise AssertionError("there is always another number")

    def _below_root(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()


def _names(path: str) -> list[str]:
    """The parts of a path as names that every system takes, and that lead nowhere else."""
    parts = [part.strip(" .") for part in re.split(r"[/\\]", path)]
    names = [
        sanitize_filename(part, replacement_text="_", platform="universal", max_len=RESULT_NAME)
        for part in parts
        if part
    ]
    # What is too deep keeps its last names, which say most.
    return [name for name in names if name.strip(" .")][-RESULT_DEPTH:]


def _write(target: Path, content: bytes) -> None:
    """Write a new file; it is whole on the disk afterwards, or not there."""
    with target.open("xb") as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        except OSError:
            file.close()
            with contextlib.suppress(OSError):
                target.unlink()
            raise
