"""Files that apps send: the answers to an upload, and the list of files."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from experiment_server.wire.snapshots import Timestamp


class FileReceived(Struct, frozen=True):
    """The state of an upload; the file is stored once `sha256` is there."""

    participant_index: int
    name: Annotated[
        str,
        Meta(description="The name that the file has; it may have a number, as in `hand (2).csv`."),
    ]
    offset: Annotated[int, Meta(description="Where the next piece has to begin.")]
    bytes: Annotated[int, Meta(description="The size of the whole file.")]
    sha256: Annotated[str | None, Meta(description="Null until the file is complete.")]
    known: Annotated[bool, Meta(description="Whether the same file was stored before.")]


class FileInfo(Struct, frozen=True):
    """A stored file. `participant_index` is null for a file that belongs to no participant."""

    participant_index: int | None
    name: str
    bytes: int
    sha256: str
    received_at: Timestamp
