"""The files that apps upload. They are stored in a folder and never overwritten."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from experiment_server.errors import StorageFull, StoreUnavailable
from experiment_server.limits.results import (
    DISK_RESERVE_BYTES,
    RESULT_ABANDONED_AFTER_S,
    RESULT_ABANDONED_INTERVAL_S,
    RESULT_NAME_CACHE_MAX,
)
from experiment_server.store.drafts import FileDraft, flush_folder
from experiment_server.store.file_names import numbered, requested_names, session_folder

# A stored file or folder never begins with a dot.
_DRAFT = ".", ".part"
UNFINISHED = ".unfinished"
"""The folder for files of which some pieces are missing, in the session's folder."""

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a session.

    `path` is its place in the folder of all sessions, `name` that in the folder of its session.
    `is_repeat` says whether it was there before.
    """

    path: str
    name: str
    size: int
    digest: bytes
    is_repeat: bool


class Content(Protocol):
    """Content that was written to the disk, and can be given its final path."""

    @property
    def size(self) -> int:
        """The number of bytes."""

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the content."""

    def finish(self) -> None:
        """Flush the content to the disk; raises StoreUnavailable."""

    def publish(self, path: Path) -> None:
        """Rename the file to an unused path; raises OSError."""


class Draft:
    """A temporary file for an upload, in the session's folder."""

    def __init__(self, folder: Path) -> None:
        with write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = FileDraft.unnamed(folder, *_DRAFT)
        self.size = 0
        self._hash = hashlib.sha256()

    @property
    def path(self) -> Path:
        """Its place on the disk, where it is complete after `flush`."""
        return self._file.path

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the content."""
        return self._hash.digest()

    def write(self, piece: bytes) -> None:
        """Append a chunk; raises StoreUnavailable."""
        with write_errors(self._file.path.parent):
            self._file.write(piece)
        self.size += len(piece)
        self._hash.update(piece)

    def flush(self) -> None:
        """Make all content visible to readers of the file; raises StoreUnavailable."""
        with write_errors(self._file.path.parent):
            self._file.flush()

    def restart(self) -> None:
        """Delete the content; raises StoreUnavailable."""
        with write_errors(self._file.path.parent):
            self._file.restart()
        self.size = 0
        self._hash = hashlib.sha256()

    def finish(self) -> None:
        """Flush the file to the disk; raises StoreUnavailable."""
        with write_errors(self._file.path.parent):
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
        self.folder = session_folder(folder, session)
        self._lock = threading.Lock()
        self._numbered_files_cache: dict[Path, _NumberedFiles] = {}
        self._removed_at = 0.0
        self._remove_abandoned()

    def draft(self, size: int = 0) -> Draft:
        """A new draft for so many bytes; raises StoreUnavailable, and StorageFull."""
        self._remove_abandoned()
        self.require_room(size)
        return Draft(self.folder)

    def require_room(self, size: int) -> None:
        """Raise StorageFull if the disk has no room for so many bytes, and the reserve."""
        place = next((item for item in (self.folder, *self.folder.parents) if item.exists()), None)
        if place is None:
            return
        with write_errors(self.folder):
            free = shutil.disk_usage(place).free
        if free < size + DISK_RESERVE_BYTES:
            raise StorageFull(
                f"the disk of {self._root} has {free >> 20:,} MB left, of which "
                f"{DISK_RESERVE_BYTES >> 20} MB stay free for the database; the file has "
                f"{size >> 20:,} MB. Make room, and send it again"
            )

    def store(
        self, content: Content, path: str, participant_index: int | None = None
    ) -> StoredFile:
        """Store content at the path that an app requests, with unsafe characters replaced.

        The path of a participant's file is in the participant's folder. If another file has the
        path already, the name gets a number. The same content is stored once. Raises
        ParameterInvalid for a path without a name, and StoreUnavailable.
        """
        names = requested_names(path, participant_index)
        content.finish()
        # With the lock, the second of two equal uploads finds the first one.
        with self._lock, write_errors(self.folder.joinpath(*names)):
            folder = self.folder
            for name in names[:-1]:
                folder = _folder_in(folder, name)
            files = self._numbered_files(folder / names[-1])
            if found := files.find(content.size, content.digest):
                return self._stored(found, content.size, content.digest, is_repeat=True)
            target = files.free_path()
            # This replaces no file: the path is unused, and only this process writes here.
            content.publish(target)
            files.add(target, content.size, content.digest)
        return self._stored(target, content.size, content.digest, is_repeat=False)

    def find(
        self, size: int, digest: bytes, path: str, participant_index: int | None
    ) -> StoredFile | None:
        """The stored file with this content that was requested at this path, None if none is."""
        requested = self.folder.joinpath(*requested_names(path, participant_index))
        with self._lock, write_errors(requested):
            found = self._numbered_files(requested).find(size, digest)
        return None if found is None else self._stored(found, size, digest, is_repeat=True)

    def _stored(self, path: Path, size: int, digest: bytes, *, is_repeat: bool) -> StoredFile:
        below_root, name = path.relative_to(self._root), path.relative_to(self.folder)
        return StoredFile(below_root.as_posix(), name.as_posix(), size, digest, is_repeat)

    def _numbered_files(self, requested: Path) -> _NumberedFiles:
        found = self._numbered_files_cache.get(requested)
        if found is None:
            if len(self._numbered_files_cache) >= RESULT_NAME_CACHE_MAX:
                self._numbered_files_cache.clear()
            found = self._numbered_files_cache[requested] = _NumberedFiles(requested)
        return found

    def _remove_abandoned(self) -> None:
        """Delete old drafts of a killed server, and files whose other pieces never came."""
        now = time.time()
        if now - self._removed_at < RESULT_ABANDONED_INTERVAL_S:
            return
        self._removed_at = now
        # A newer one may belong to another server.
        before = now - RESULT_ABANDONED_AFTER_S
        drafts = self.folder.glob(f"{_DRAFT[0]}*{_DRAFT[1]}")
        unfinished = (self.folder / UNFINISHED).glob(f"*{_DRAFT[1]}")
        with contextlib.suppress(OSError):
            for path in itertools.chain(drafts, unfinished):
                if path.stat().st_mtime < before:
                    path.unlink()


def default_folder(study_file: Path) -> Path:
    """The folder for the uploaded files of all sessions: `study-data` beside `study.toml`."""
    return study_file.with_name(f"{study_file.stem}-data")


def stored_files(folder: Path, session: str) -> Iterator[tuple[Path, Path]]:
    """The stored files of a session, ascending, each with its path in the session's folder."""
    own = session_folder(folder, session)
    for path in sorted(own.rglob("*")):
        name = path.relative_to(own)
        is_hidden = any(part.startswith(_DRAFT[0]) for part in name.parts)
        if path.is_file() and not path.is_symlink() and not is_hidden:
            yield path, name


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

    def find(self, size: int, digest: bytes) -> Path | None:
        """The file with this content, None if there is none."""
        for path in self._unhashed.pop(size, ()):
            with contextlib.suppress(FileNotFoundError):
                self._hashed[size, digest_of(path)] = path
        same = self._hashed.get((size, digest))
        return same if same is not None and same.is_file() else None

    def free_path(self) -> Path:
        """The first unused path."""
        self._scan()
        return self._path(self._next)

    def add(self, path: Path, size: int, digest: bytes) -> None:
        """Record a file that was stored at the free path."""
        self._hashed[size, digest] = path
        self._next += 1

    def _scan(self) -> None:
        while os.path.lexists(path := self._path(self._next)):
            if path.is_file():
                self._unhashed.setdefault(path.stat().st_size, []).append(path)
            self._next += 1

    def _path(self, number: int) -> Path:
        return numbered(self._requested, number)


def digest_of(path: Path) -> bytes:
    """The SHA-256 of a file's content; raises OSError."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.digest()


@contextlib.contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Raise StoreUnavailable for an OSError, and StorageFull for one of a full disk."""
    try:
        yield
    except OSError as error:
        kind = StorageFull if error.errno in _FULL else StoreUnavailable
        raise kind(f"{path} cannot be written: {error.strerror or error}") from error


def _folder_in(folder: Path, name: str) -> Path:
    """The folder with this name, created if necessary; numbered if a file has the name."""
    for number in itertools.count(1):
        requested = numbered(folder / name, number)
        if requested.is_dir():
            return requested
        if not os.path.lexists(requested):
            requested.mkdir()
            flush_folder(folder)
            return requested
    raise AssertionError("there is always another number")
