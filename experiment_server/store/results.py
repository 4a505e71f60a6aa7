"""The files that apps send: kept in a folder, where none is ever lost or overwritten."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pathvalidate import sanitize_filename

from experiment_server.errors import ParameterInvalid, StoreUnavailable
from experiment_server.limits import (
    RESULT_ABANDONED_AFTER_S,
    RESULT_NAME_CACHE_MAX,
    RESULT_NAME_MAX_LENGTH,
    RESULT_PATH_DEPTH_MAX,
)
from experiment_server.store.drafts import FileDraft, flush_folder

# No name that an app chooses begins with a dot.
_DRAFT = ".", ".part"


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a file is, below the folder of all sessions, and whether it was there before."""

    path: str
    known: bool


class Draft:
    """A file that is being written, beside those that are kept; it is no result yet."""

    def __init__(self, folder: Path) -> None:
        with _written_to(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = FileDraft.unnamed(folder, *_DRAFT)
        self.size = 0
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> bytes:
        """The SHA-256 of what was written."""
        return self._hash.digest()

    def write(self, piece: bytes) -> None:
        """Write more of it; raises StoreUnavailable."""
        with _written_to(self._file.path.parent):
            self._file.write(piece)
        self.size += len(piece)
        self._hash.update(piece)

    def restart(self) -> None:
        """Begin anew; raises StoreUnavailable."""
        with _written_to(self._file.path.parent):
            self._file.restart()
        self.size = 0
        self._hash = hashlib.sha256()

    def finish(self) -> None:
        """Have it on the disk as a whole; raises StoreUnavailable."""
        with _written_to(self._file.path.parent):
            self._file.finish()

    def publish(self, place: Path) -> None:
        """Make it a result, at a place where none is; raises OSError."""
        self._file.publish(place)

    def discard(self) -> None:
        """Remove it, unless it was kept."""
        self._file.discard()


class Results:
    """The folder of one session's files, which is made when the first of them comes.

    Drafts may be written by several threads, each its own. No other process writes there.
    """

    def __init__(self, folder: Path, session: str) -> None:
        self._root = folder
        self._folder = folder.joinpath(*_names(session))
        self._lock = threading.Lock()
        self._namesakes: dict[Path, _Namesakes] = {}
        _remove_abandoned(self._folder)

    def draft(self) -> Draft:
        """A new draft; raises StoreUnavailable."""
        return Draft(self._folder)

    def keep(self, draft: Draft, path: str, participant_index: int | None = None) -> Kept:
        """Keep a draft as an app wants to have it, at `path`, whose parts are made safe.

        With a participant, the path is below a folder of their own. Where another file is already,
        a number is put behind the name; the same file is not kept twice. Raises ParameterInvalid
        for a path without any name, StoreUnavailable.
        """
        names = _names(path)
        if not names:
            raise ParameterInvalid(f"filepath has to name a file, and {path[:200]!r} does not")
        if participant_index is not None:
            names.insert(0, f"participant-{participant_index}")
        draft.finish()
        # Under the lock, so that of two that are alike the second finds the first.
        with self._lock, _written_to(self._folder.joinpath(*names)):
            folder = self._folder
            for name in names[:-1]:
                folder = _folder_in(folder, name)
            namesakes = self._namesakes_of(folder / names[-1])
            if known := namesakes.find(draft):
                return Kept(self._below_root(known), known=True)
            target = namesakes.vacant()
            # Replaces nothing: the place is vacant, and nobody but us puts something there.
            draft.publish(target)
            namesakes.add(target, draft)
        return Kept(self._below_root(target), known=False)

    def _namesakes_of(self, wanted: Path) -> _Namesakes:
        found = self._namesakes.get(wanted)
        if found is None:
            if len(self._namesakes) >= RESULT_NAME_CACHE_MAX:
                self._namesakes.clear()
            found = self._namesakes[wanted] = _Namesakes(wanted)
        return found

    def _below_root(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()


class _Namesakes:
    """The files that wanted the same name: `hand.csv`, `hand (2).csv`, `hand (3).csv`.

    Each is read once at most, and only when another of its size comes.
    """

    def __init__(self, wanted: Path) -> None:
        self._wanted = wanted
        self._next = 1
        self._unread: dict[int, list[Path]] = {}
        self._read: dict[tuple[int, bytes], Path] = {}
        self._look()

    def find(self, draft: Draft) -> Path | None:
        """The file that is the same as a draft, if there is one."""
        for path in self._unread.pop(draft.size, ()):
            with contextlib.suppress(FileNotFoundError):
                self._read[draft.size, _digest(path)] = path
        same = self._read.get((draft.size, draft.digest))
        return same if same is not None and same.is_file() else None

    def vacant(self) -> Path:
        """The first place where nothing is."""
        self._look()
        return self._place(self._next)

    def add(self, path: Path, draft: Draft) -> None:
        """Take note of a file that was put there."""
        self._read[draft.size, draft.digest] = path
        self._next += 1

    def _look(self) -> None:
        while os.path.lexists(path := self._place(self._next)):
            if path.is_file():
                self._unread.setdefault(path.stat().st_size, []).append(path)
            self._next += 1

    def _place(self, number: int) -> Path:
        return _numbered(self._wanted, number)


def _folder_in(folder: Path, name: str) -> Path:
    """The folder of this name, made if need be; a file that has the name keeps it."""
    for number in itertools.count(1):
        wanted = _numbered(folder / name, number)
        if wanted.is_dir():
            return wanted
        if not os.path.lexists(wanted):
            wanted.mkdir()
            flush_folder(folder)
            return wanted
    raise AssertionError("there is always another number")


def _numbered(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.stem} ({number}){path.suffix}")


def _names(path: str) -> list[str]:
    """The parts of a path as names that every system takes, and that lead nowhere else."""
    parts = [part.strip(" .") for part in re.split(r"[/\\]", path)]
    # What is too deep keeps its last names, which say most.
    names = [
        sanitize_filename(
            part, replacement_text="_", platform="universal", max_len=RESULT_NAME_MAX_LENGTH
        )
        for part in parts
        if part
    ]
    return [name for name in names if name.strip(" .")][-RESULT_PATH_DEPTH_MAX:]


def _digest(path: Path) -> bytes:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.digest()


def _remove_abandoned(folder: Path) -> None:
    """Remove the drafts of a server that was killed; a younger one may be another server's."""
    before = time.time() - RESULT_ABANDONED_AFTER_S
    with contextlib.suppress(OSError):
        for path in folder.glob(f"{_DRAFT[0]}*{_DRAFT[1]}"):
            if path.stat().st_mtime < before:
                path.unlink()


@contextlib.contextmanager
def _written_to(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"{place} cannot be written: {error.strerror or error}") from error
