"""The files that apps upload. They are stored in a folder and never overwritten."""

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
from experiment_server.limits.results import (
    RESULT_ABANDONED_AFTER_S,
    RESULT_NAME_CACHE_MAX,
    RESULT_NAME_MAX_LENGTH,
    RESULT_PATH_DEPTH_MAX,
)
from experiment_server.store.drafts import FileDraft, flush_folder

# A stored file never begins with a dot.
_DRAFT = ".", ".part"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The path of a file in the folder of all sessions, and whether the upload was a repeat."""

    path: str
    is_repeat: bool


class Draft:
    """A temporary file for an upload, in the session's folder."""

    def __init__(self, folder: Path) -> None:
        with _write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = FileDraft.unnamed(folder, *_DRAFT)
        self.size = 0
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the content."""
        return self._hash.digest()

    def write(self, piece: bytes) -> None:
        """Append a chunk; raises StoreUnavailable."""
        with _write_errors(self._file.path.parent):
            self._file.write(piece)
        self.size += len(piece)
        self._hash.update(piece)

    def restart(self) -> None:
        """Delete the content; raises StoreUnavailable."""
        with _write_errors(self._file.path.parent):
            self._file.restart()
        self.size = 0
        self._hash = hashlib.sha256()

    def finish(self) -> None:
        """Flush the file to the disk; raises StoreUnavailable."""
        with _write_errors(self._file.path.parent):
            self._file.finish()

    def publish(self, path: Path) -> None:
        """Rename the file to an unused path; raises OSError."""
        self._file.publish(path)

    def discard(self) -> None:
        """Delete the file, unless it was published."""
        self._file.discard()


class UploadedFiles:
    """The folder of one session's uploads, which is created with the first file.

    Several threads may write drafts, each its own. No other process writes to the folder.
    """

    def __init__(self, folder: Path, session: str) -> None:
        self._root = folder
        self._folder = _of_session(folder, session)
        self._lock = threading.Lock()
        self._numbered_files_cache: dict[Path, _NumberedFiles] = {}
        _remove_abandoned(self._folder)

    def draft(self) -> Draft:
        """A new draft; raises StoreUnavailable."""
        return Draft(self._folder)

    def store(self, draft: Draft, path: str, participant_index: int | None = None) -> StoredFile:
        """Store a draft at the path that an app requests, with unsafe characters replaced.

        The path of a participant's file is in the participant's folder. If another file has the
        path already, the name gets a number. The same content is stored once. Raises
        ParameterInvalid for a path without a name, and StoreUnavailable.
        """
        names = _names(path)
        if not names:
            raise ParameterInvalid(f"filepath has to name a file, got {path[:200]!r}")
        if participant_index is not None:
            names.insert(0, f"participant-{participant_index}")
        draft.finish()
        # With the lock, the second of two equal uploads finds the first one.
        with self._lock, _write_errors(self._folder.joinpath(*names)):
            folder = self._folder
            for name in names[:-1]:
                folder = _folder_in(folder, name)
            files = self._numbered_files(folder / names[-1])
            if is_repeat := files.find(draft):
                return StoredFile(self._below_root(is_repeat), is_repeat=True)
            target = files.free_path()
            # This replaces no file: the path is unused, and only this process writes here.
            draft.publish(target)
            files.add(target, draft)
        return StoredFile(self._below_root(target), is_repeat=False)

    def _numbered_files(self, requested: Path) -> _NumberedFiles:
        found = self._numbered_files_cache.get(requested)
        if found is None:
            if len(self._numbered_files_cache) >= RESULT_NAME_CACHE_MAX:
                self._numbered_files_cache.clear()
            found = self._numbered_files_cache[requested] = _NumberedFiles(requested)
        return found

    def _below_root(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()


def default_folder(study_file: Path) -> Path:
    """The folder for the uploaded files of all sessions: `study-data` beside `study.toml`."""
    return study_file.with_name(f"{study_file.stem}-data")


def stored_files(folder: Path, session: str) -> Iterator[tuple[Path, Path]]:
    """The stored files of a session, ascending, each with its path in the session's folder."""
    own = _of_session(folder, session)
    for path in sorted(own.rglob("*")):
        if path.is_file() and not path.is_symlink() and not path.name.startswith(_DRAFT[0]):
            yield path, path.relative_to(own)


def _of_session(folder: Path, session: str) -> Path:
    return folder.joinpath(*_names(session))


class _NumberedFiles:
    """The files with the same requested name: `hand.csv`, `hand (2).csv`, `hand (3).csv`.

    Each is hashed at most once, and only if another file of its size is uploaded.
    """

    def __init__(self, requested: Path) -> None:
        self._requested = requested
        self._next = 1
        self._unhashed: dict[int, list[Path]] = {}
        self._hashed: dict[tuple[int, bytes], Path] = {}
        self._scan()

    def find(self, draft: Draft) -> Path | None:
        """The file with the same content as a draft, None if there is none."""
        for path in self._unhashed.pop(draft.size, ()):
            with contextlib.suppress(FileNotFoundError):
                self._hashed[draft.size, _digest(path)] = path
        same = self._hashed.get((draft.size, draft.digest))
        return same if same is not None and same.is_file() else None

    def free_path(self) -> Path:
        """The first unused path."""
        self._scan()
        return self._path(self._next)

    def add(self, path: Path, draft: Draft) -> None:
        """Record a file that was stored at the free path."""
        self._hashed[draft.size, draft.digest] = path
        self._next += 1

    def _scan(self) -> None:
        while os.path.lexists(path := self._path(self._next)):
            if path.is_file():
                self._unhashed.setdefault(path.stat().st_size, []).append(path)
            self._next += 1

    def _path(self, number: int) -> Path:
        return _numbered(self._requested, number)


def _folder_in(folder: Path, name: str) -> Path:
    """The folder with this name, created if necessary; numbered if a file has the name."""
    for number in itertools.count(1):
        requested = _numbered(folder / name, number)
        if requested.is_dir():
            return requested
        if not os.path.lexists(requested):
            requested.mkdir()
            flush_folder(folder)
            return requested
    raise AssertionError("there is always another number")


def _numbered(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.stem} ({number}){path.suffix}")


def _names(path: str) -> list[str]:
    """The parts of a path as names that are valid and safe on every system."""
    parts = [part.strip(" .") for part in re.split(r"[/\\]", path)]
    # A path that is too deep keeps its last names.
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
    """Delete old drafts of a killed server; a newer one may belong to another server."""
    before = time.time() - RESULT_ABANDONED_AFTER_S
    with contextlib.suppress(OSError):
        for path in folder.glob(f"{_DRAFT[0]}*{_DRAFT[1]}"):
            if path.stat().st_mtime < before:
                path.unlink()


@contextlib.contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be written: {error.strerror or error}") from error
