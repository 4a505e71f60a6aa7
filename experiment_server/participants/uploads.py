"""The files that apps sent, as the log has them."""

from __future__ import annotations

from dataclasses import dataclass

from experiment_server.participants.events import Entry
from experiment_server.wire.events import FileStored
from experiment_server.wire.files import FileInfo


@dataclass(frozen=True, slots=True)
class LoggedFile:
    """A file of the log. `path` is its place in the session's data folder."""

    participant_index: int | None
    path: str
    bytes: int
    sha256: str
    received_at: str

    @property
    def name(self) -> str:
        """The path without the participant's folder."""
        return self.path if self.participant_index is None else name_in_folder(self.path)

    def on_wire(self) -> FileInfo:
        """The file as clients get it."""
        return FileInfo(
            self.participant_index, self.name, self.bytes, self.sha256, self.received_at
        )


def name_in_folder(path: str) -> str:
    """A path without its first folder, which is the participant's."""
    return path.partition("/")[2]


def logged_file(entry: Entry) -> LoggedFile:
    """The file of a log entry of the type `file_stored`."""
    data = entry.data_as(FileStored)
    return LoggedFile(entry.participant_index, data.path, data.bytes, data.sha256, entry.time)
