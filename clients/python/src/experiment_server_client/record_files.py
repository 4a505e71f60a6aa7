"""Files on the device, in which records wait until the server has them.

Each run of a program appends to a file of its own, which it locks. A record is a line, and so is
the list of those that the server has. When a program starts, it takes over the files of programs
that have ended, and never those of running ones.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from experiment_server_client.file_locks import lock
from experiment_server_client.records import Record, stored_record
from experiment_server_client.values import JsonObject, JsonValue

FOLDER_NAME = "unsent-records"

_OPEN = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)

# Another program may take over or remove a file before it is locked; this often does not happen.
_CREATE_ATTEMPTS = 8


class RecordFile:
    """A file of records, which this process has locked. Its methods raise OSError.

    Written data survive the end of the process, but perhaps not that of the operating system: the
    file is not synchronized, because that takes many milliseconds.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        # An unfinished line may be at the end, which must not spoil the next one.
        self._torn = True
        self._waiting: set[str] = set()

    def add(self, record: Record) -> None:
        """Append a record."""
        self._append(record.line)
        self._waiting.add(record.record_id)

    def remove(self, record_ids: Iterable[str]) -> None:
        """Note that the server has records; if it has all of them, empty the file."""
        done = self._waiting.intersection(record_ids)
        if not done:
            return
        self._waiting -= done
        if self._waiting:
            self._append(json.dumps({"sent": sorted(done)}).encode() + b"\n")
        else:
            os.ftruncate(self._descriptor, 0)

    def read(self) -> list[Record]:
        """The records that wait, in their order; unreadable lines are skipped."""
        records: dict[str, Record] = {}
        for members in self._lines():
            match members:
                case {"sent": [*sent]}:
                    for record_id in sent:
                        records.pop(record_id, None)
                case _:
                    record = stored_record(members)
                    if record:
                        records[record.record_id] = record
        self._waiting = set(records)
        return sorted(records.values(), key=lambda record: _counter(record.record_id))

    @property
    def is_empty(self) -> bool:
        """Whether no record waits in it."""
        return not self._waiting

    def close(self) -> None:
        """Unlock the file; delete it if no record waits in it."""
        if self.is_empty:
            # An open file cannot be deleted on Windows: the next start deletes it there.
            with contextlib.suppress(PermissionError):
                self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Close the file as it is."""
        os.close(self._descriptor)

    def _append(self, line: bytes) -> None:
        data = b"\n" + line if self._torn else line
        self._torn = True
        if os.write(self._descriptor, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        self._torn = False

    def _lines(self) -> Iterator[JsonValue]:
        for line in self.path.read_bytes().splitlines():
            with contextlib.suppress(ValueError):
                yield json.loads(line)


class RecordFolder:
    """The files of one participant's records for one server."""

    def __init__(self, storage: Path, url: str, participant_index: int) -> None:
        self.path = storage / quote(url.lower(), safe="") / str(participant_index)

    def create(self, run: str) -> RecordFile:
        """A new file for a run of the program; raises OSError."""
        # The time is in the name, so that files are sent in the order of their starts.
        started = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = self.path / f"records-{started}-{run}.jsonl"
        for _ in range(_CREATE_ATTEMPTS):
            self.path.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                file = _locked(path, _OPEN | os.O_CREAT)
                if file:
                    return file
        raise OSError(errno.EBUSY, "other programs lock it", str(path))

    def left_behind(self) -> list[Path]:
        """The files that programs have left, in the order of their starts; some may still run."""
        return sorted(self.path.glob("records-*.jsonl"))

    def take_over(self, path: Path) -> RecordFile | None:
        """A file, locked; None if its program still runs, or it is gone. Raises OSError."""
        try:
            return _locked(path, _OPEN)
        except FileNotFoundError:
            return None

    def set_aside(self, run: str, record: Record, error: JsonObject) -> Path:
        """Write a record that the server refuses to a file of its own; raises OSError."""
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / f"set-aside-{run}.jsonl"
        members = {"table": record.table, "record": record.content, "error": error}
        with path.open("ab") as file:
            file.write(json.dumps(members, ensure_ascii=False).encode() + b"\n")
        return path

    def tidy(self) -> None:
        """Delete the folder, and those above it, if they are empty."""
        server = self.path.parent
        with contextlib.suppress(OSError):
            self.path.rmdir()
            server.rmdir()
            if server.parent.name == FOLDER_NAME:
                server.parent.rmdir()


def storage_folder(given: str | os.PathLike[str] | None) -> Path:
    """The folder for records: the given one, or `unsent-records` beside the program's script."""
    if given is not None:
        return Path(given).absolute()
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    # Installed programs, such as notebooks, belong to nobody's study.
    if script is None or "site-packages" in Path(script).parts:
        return Path.cwd() / FOLDER_NAME
    return Path(script).absolute().parent / FOLDER_NAME


def _locked(path: Path, flags: int) -> RecordFile | None:
    """The file, opened and locked; None if another process has it."""
    descriptor = os.open(path, flags, 0o666)
    try:
        # Somebody may have deleted the file before it was locked.
        if lock(descriptor) and os.path.samestat(os.fstat(descriptor), path.stat()):
            return RecordFile(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _counter(record_id: str) -> int:
    counter = record_id.rpartition("-")[2]
    return int(counter) if counter.isdecimal() else 0
