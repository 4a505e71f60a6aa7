"""Files that arrive in pieces, over several requests and restarts of the server.

The pieces of a file are appended to a file in the folder `.unfinished`, whose name has the number
of bytes that were acknowledged. Bytes after them are of a piece that a crash interrupted. They are
removed before the next piece is appended.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from experiment_server.errors import FileConflict, FileHashWrong, FileOffsetWrong, LimitReached
from experiment_server.limits.results import FINISHED_FILES_CACHE_MAX, UNFINISHED_FILES_MAX
from experiment_server.store.drafts import flush_folder
from experiment_server.store.file_names import requested_names
from experiment_server.store.uploaded_files import (
    UNFINISHED,
    Draft,
    StoredFile,
    UploadedFiles,
    write_errors,
)

_COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that an app sends: all of it that is known before its content.

    Pieces with equal values belong to one file. `digest` is the declared SHA-256, if there is one.
    Raises ParameterInvalid for a path without a name.
    """

    participant_index: int
    path: str
    size: int
    digest: bytes | None = None

    stem: str = field(init=False)
    """The name of its unfinished file, without the number of bytes."""

    def __post_init__(self) -> None:
        names = "/".join(requested_names(self.path, self.participant_index))
        key = f"{names}\n{self.size}\n{self.digest.hex() if self.digest else ''}"
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        object.__setattr__(self, "stem", f"{self.prefix}{digest}")

    @property
    def prefix(self) -> str:
        """The beginning of the names of all unfinished files of the participant."""
        return f"{self.participant_index}-"


def require_digest(upload: Upload, digest: bytes) -> None:
    """Raise FileHashWrong if content does not have the declared SHA-256."""
    if upload.digest is not None and upload.digest != digest:
        raise FileHashWrong(
            f"{upload.path[:200]!r} has the SHA-256 {digest.hex()}, and Repr-Digest declares "
            f"{upload.digest.hex()}; nothing of it was stored, send it again from its beginning"
        )


class FilesInPieces:
    """The unfinished files of a session. Several threads may call all methods."""

    def __init__(self, files: UploadedFiles) -> None:
        self._files = files
        self._folder = files.folder / UNFINISHED
        self._lock = threading.Lock()
        self._unfinished: dict[str, _UnfinishedFile] = {}
        self._finished: OrderedDict[str, StoredFile] = OrderedDict()

    def progress(self, upload: Upload) -> StoredFile | int:
        """The complete file if its declared SHA-256 is stored, otherwise the number of bytes.

        A file without a declared SHA-256 could be another one with the same name and size.
        """
        if upload.digest is not None:
            stored = self._files.find(
                upload.size, upload.digest, upload.path, upload.participant_index
            )
            if stored is not None:
                return stored
        return _offset_on_disk(self._folder, upload.stem)

    def take(self, upload: Upload, start: int, piece: Draft) -> StoredFile | int:
        """Append a piece that begins at `start`; returns as `progress`.

        Bytes that the server has already are compared, and not stored again. Raises
        FileOffsetWrong, FileConflict, FileHashWrong, LimitReached and StoreUnavailable; nothing of
        the piece is stored then.
        """
        piece.flush()
        while True:
            unfinished = self._unfinished_file(upload)
            with unfinished.lock:
                if not unfinished.is_closed:
                    return self._take(upload, unfinished, start, piece)

    def _take(
        self, upload: Upload, unfinished: _UnfinishedFile, start: int, piece: Draft
    ) -> StoredFile | int:
        try:
            if unfinished.offset == 0:
                if start > 0 and (repeated := self._repeated_end(upload, start, piece)):
                    return repeated
                self._require_few(upload)
            unfinished.append(start, piece)
            if unfinished.offset < upload.size:
                return unfinished.offset
            return self._complete(upload, unfinished)
        finally:
            # Only files that are on the disk are held in memory.
            if unfinished.offset == 0:
                self._close(upload, unfinished)

    def _complete(self, upload: Upload, unfinished: _UnfinishedFile) -> StoredFile:
        try:
            require_digest(upload, unfinished.digest)
        except FileHashWrong:
            self._close(upload, unfinished)
            raise
        # If this fails, the last piece is sent again.
        stored = self._files.store(unfinished, upload.path, upload.participant_index)
        with self._lock:
            self._finished[upload.stem] = stored
            if len(self._finished) > FINISHED_FILES_CACHE_MAX:
                self._finished.popitem(last=False)
        self._close(upload, unfinished)
        return stored

    def _unfinished_file(self, upload: Upload) -> _UnfinishedFile:
        with self._lock:
            found = self._unfinished.get(upload.stem)
            if found is None:
                found = _UnfinishedFile(self._folder, upload.stem)
                self._unfinished[upload.stem] = found
            return found

    def _close(self, upload: Upload, unfinished: _UnfinishedFile) -> None:
        """Delete a file that is not published; a request that waits for it opens another one."""
        unfinished.discard()
        unfinished.is_closed = True
        with self._lock:
            del self._unfinished[upload.stem]

    def _require_few(self, upload: Upload) -> None:
        with write_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            count = sum(1 for _ in self._folder.glob(f"{upload.prefix}*"))
        if count >= UNFINISHED_FILES_MAX:
            raise LimitReached(
                f"participant {upload.participant_index} has {count} unfinished files; send the "
                "missing pieces of one first. Files without a new piece are removed after a day"
            )

    def _repeated_end(self, upload: Upload, start: int, piece: Draft) -> StoredFile | None:
        """The finished file that ends with this piece, which an app repeats after a lost answer."""
        if start + piece.size != upload.size:
            return None
        with self._lock:
            stored = self._finished.get(upload.stem)
        if stored is None:
            return None
        with contextlib.suppress(OSError), (self._files.folder / stored.name).open("rb") as file:
            file.seek(start)
            with piece.path.open("rb") as repeated:
                if _same(file, repeated, piece.size):
                    return StoredFile(
                        stored.path, stored.name, stored.size, stored.digest, is_repeat=True
                    )
        return None


class _UnfinishedFile:
    """The bytes of one file so far. The caller holds `lock`."""

    def __init__(self, folder: Path, stem: str) -> None:
        self.lock = threading.Lock()
        self.is_closed = False
        self._folder = folder
        self._stem = stem
        self._published = False
        self._hash: hashlib._Hash | None = None
        self.offset = _offset_on_disk(folder, stem)

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self.offset

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the bytes."""
        return self._hashed().digest()

    def append(self, start: int, piece: Draft) -> None:
        """Append a piece without the bytes that are there already; raises as `take`."""
        if self.offset and not self._path(self.offset).exists():
            # It was removed, because no piece came for a long time.
            self.offset, self._hash = 0, None
        if start > self.offset:
            raise FileOffsetWrong(start, self.offset)
        known = min(self.offset - start, piece.size)
        with write_errors(self._folder), piece.path.open("rb") as source:
            if known:
                with self._path(self.offset).open("rb") as file:
                    file.seek(start)
                    if not _same(file, source, known):
                        raise FileConflict(
                            f"bytes {start:,} to {start + known - 1:,} are others than those that "
                            "the server has of a file with this name and size. Send Repr-Digest "
                            "with each piece of two such files, or choose another name"
                        )
            if known < piece.size:
                self._append(source, piece.size - known)

    def finish(self) -> None:
        """Do nothing: every piece was flushed to the disk."""

    def publish(self, path: Path) -> None:
        """Rename the file to an unused path; raises OSError."""
        self._path(self.offset).replace(path)
        self._published = True
        flush_folder(path.parent)

    def discard(self) -> None:
        """Delete the file if it was not published."""
        if not self._published:
            with contextlib.suppress(OSError):
                self._path(self.offset).unlink(missing_ok=True)

    def _append(self, source: BinaryIO, size: int) -> None:
        before = self._path(self.offset)
        if self.offset == 0:
            self._folder.mkdir(parents=True, exist_ok=True)
            before.touch()
        new_hash = self._hashed().copy()
        with before.open("r+b") as file:
            file.truncate(self.offset)
            file.seek(self.offset)
            try:
                while part := source.read(_COPY_BYTES):
                    file.write(part)
                    new_hash.update(part)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(self.offset)
                if self.offset == 0:
                    with contextlib.suppress(OSError):
                        before.unlink()
                raise
        after = self._path(self.offset + size)
        before.replace(after)
        self.offset += size
        self._hash = new_hash

    def _hashed(self) -> hashlib._Hash:
        if self._hash is None:
            found = hashlib.sha256()
            left = self.offset
            with write_errors(self._folder), self._path(self.offset).open("rb") as file:
                while part := file.read(min(left, _COPY_BYTES)):
                    found.update(part)
                    left -= len(part)
            self._hash = found
        return self._hash

    def _path(self, offset: int) -> Path:
        return self._folder / f"{self._stem}-{offset}.part"


def _offset_on_disk(folder: Path, stem: str) -> int:
    """The number of acknowledged bytes of an unfinished file, 0 if there is none."""
    numbers = (path.stem.rpartition("-")[2] for path in folder.glob(f"{stem}-*.part"))
    return max(map(int, numbers), default=0)


def _same(one: BinaryIO, other: BinaryIO, size: int) -> bool:
    """Whether the next bytes of two files are the same; moves both behind them."""
    while size:
        part = one.read(min(size, _COPY_BYTES))
        if not part or part != other.read(len(part)):
            return False
        size -= len(part)
    return True
