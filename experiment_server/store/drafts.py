"""Files that take their place as a whole: a reader finds the old content, the new, or nothing."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import BinaryIO


class FileDraft:
    """A file that is being written beside its place. Whatever cannot be done raises OSError.

    It is on the disk once it is finished, in its place once it is published, and removed by
    `discard` unless it was.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.path = path
        self._file = file
        self._published = False

    @classmethod
    def unnamed(cls, folder: Path, prefix: str, suffix: str = "") -> FileDraft:
        """A new file in a folder, whose name nobody else has; none but its owner may read it."""
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=prefix, suffix=suffix)
        return cls(os.fdopen(descriptor, "wb"), Path(name))

    @classmethod
    def at(cls, path: Path) -> FileDraft:
        """A file of this name, begun anew; it gets the permissions that new files have."""
        return cls(path.open("wb"), path)

    def write(self, piece: bytes) -> None:
        """Write more of it."""
        self._file.write(piece)

    def restart(self) -> None:
        """Begin anew."""
        self._file.seek(0)
        self._file.truncate()

    def finish(self) -> None:
        """Have all of it on the disk; nothing more is written then."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def publish(self, place: Path) -> None:
        """Put it in a place, over what is there; the folder knows of it before this returns."""
        self.path.replace(place)
        self._published = True
        flush_folder(place.parent)

    def discard(self) -> None:
        """Remove it, unless it was published; raises nothing."""
        with contextlib.suppress(OSError):
            self._file.close()
        if not self._published:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    # A rename is safe once its folder is on the disk; Windows cannot open folders, and needs not.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
