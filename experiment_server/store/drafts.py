"""Atomic writes: a reader finds the old content of a file, the new content, or no file."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import BinaryIO


class FileDraft:
    """A new file that later replaces another. Methods raise OSError if they fail.

    `finish` writes it to the disk, `publish` moves it to its final path, and `discard` removes it
    if it was not published.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.path = path
        self._file = file
        self._published = False

    @classmethod
    def unnamed(cls, folder: Path, prefix: str, suffix: str = "") -> FileDraft:
        """A new file with a unique name in a folder; only its owner can read it."""
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=prefix, suffix=suffix)
        return cls(os.fdopen(descriptor, "wb"), Path(name))

    @classmethod
    def at(cls, path: Path) -> FileDraft:
        """An empty file at this path, with the default permissions of new files."""
        return cls(path.open("wb"), path)

    def write(self, piece: bytes) -> None:
        """Append content."""
        self._file.write(piece)

    def flush(self) -> None:
        """Make all content visible to readers of the file."""
        self._file.flush()

    def restart(self) -> None:
        """Remove all content."""
        self._file.seek(0)
        self._file.truncate()

    def finish(self) -> None:
        """Write all content to the disk, and close the file."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def publish(self, place: Path) -> None:
        """Move it to a path, replacing an existing file, and write the folder to the disk."""
        self.path.replace(place)
        self._published = True
        flush_folder(place.parent)

    def discard(self) -> None:
        """Remove it if it was not published; raises nothing."""
        with contextlib.suppress(OSError):
            self._file.close()
        if not self._published:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Write the names in a folder to the disk."""
    # A rename is durable once its folder is on the disk. Windows cannot open folders, and does not
    # need this.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
