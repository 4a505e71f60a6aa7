"""The entries of the event log, and the data of each type of event."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, ClassVar

from msgspec import Meta, Struct, field

from experiment_server.wire.snapshots import Timestamp
from experiment_server.wire.values import JsonObject


class EventType(str, Enum):
    """All types of events in the log."""

    PARTICIPANT_ADDED = "participant_added"
    MOVED = "moved"
    FINISHED = "finished"
    CONFIG_OVERRIDDEN = "config_overridden"
    PARTICIPANT_RESET = "participant_reset"
    RECORDED = "recorded"
    FILE_STORED = "file_stored"
    STUDY_LOADED = "study_loaded"
    STUDY_REFUSED = "study_refused"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    SERVER_STARTED = "server_started"
    SERVER_STOPPED = "server_stopped"


class Actor(str, Enum):
    """The channel through which a change was requested."""

    PARTICIPANT = "participant"
    DASHBOARD = "dashboard"
    REST = "rest"
    CLI = "cli"
    SERVER = "server"


class EventData(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The data of an event, without its time and participant; unset optional fields are omitted."""

    type: ClassVar[EventType]


class Caused(EventData, frozen=True, kw_only=True, omit_defaults=True):
    """The data of an event that somebody caused, with the reason that they gave."""

    by: Actor
    reason: str | None = None


class BlockPlace(Struct, frozen=True, gc=False):
    """The position of a participant in their block order."""

    block_id: int
    block_name: str


class ParticipantAdded(Caused, frozen=True, kw_only=True, omit_defaults=True):
    """A participant was added. `row` is the row of the design that they follow.

    It is omitted if it is the row of their index.
    """

    type: ClassVar = EventType.PARTICIPANT_ADDED
    row: int | None = None


class Moved(Caused, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A participant was moved. `undoes` is the id of the move that this move undoes."""

    type: ClassVar = EventType.MOVED
    revision: int
    origin: BlockPlace = field(name="from")
    destination: BlockPlace = field(name="to")
    in_block: bool
    study_version: int
    undoes: int | None = None


class Finished(Caused, frozen=True, kw_only=True, omit_defaults=True):
    """A participant moved past their last block."""

    type: ClassVar = EventType.FINISHED
    revision: int


class ConfigOverridden(Caused, frozen=True, kw_only=True, omit_defaults=True):
    """The config of a participant's current block was changed only for this participant.

    `overrides` is the digest of all overrides of the participant.
    """

    type: ClassVar = EventType.CONFIG_OVERRIDDEN
    revision: int
    block: BlockPlace
    patch: JsonObject
    overrides: str


class ParticipantReset(Caused, frozen=True, kw_only=True, omit_defaults=True):
    """A participant's overrides were removed: `[block name, occurrence]` for each."""

    type: ClassVar = EventType.PARTICIPANT_RESET
    revision: int
    dropped: list[tuple[str, int]]


class Recorded(Caused, frozen=True, kw_only=True, omit_defaults=True):
    """Records of a participant were stored. `sha256` is the hash of the batch."""

    type: ClassVar = EventType.RECORDED
    table: str
    count: int
    sha256: str


class FileStored(Caused, frozen=True, kw_only=True, omit_defaults=True):
    """A file that an app sent was stored. `path` is its place in the session's data folder."""

    type: ClassVar = EventType.FILE_STORED
    path: str
    bytes: int
    sha256: str


class StudyLoaded(Caused, frozen=True, kw_only=True, omit_defaults=True):
    """The server serves a new version of the study; the lists name the affected participants.

    `kept_study` is the digest of the version that the `kept` participants keep who had the served
    version until now.
    """

    type: ClassVar = EventType.STUDY_LOADED
    version: int
    digest: str
    on_change: str
    reordered: list[int]
    ended: list[int]
    kept: list[int]
    kept_study: str


class RefusedLine(Struct, frozen=True, omit_defaults=True):
    """One error of a refused study, in the study file or in the `file` of a table."""

    code: str
    line: int | None
    message: str
    file: str | None = None


class StudyRefused(Caused, frozen=True, kw_only=True, omit_defaults=True):
    """A study file has errors, or cannot be read. `errors` is the number of all errors."""

    type: ClassVar = EventType.STUDY_REFUSED
    digest: str | None
    errors: int
    first: list[RefusedLine]


class AppConnected(EventData, frozen=True, kw_only=True, omit_defaults=True):
    """An app of a participant has connected; `apps` is the number of connected apps.

    `left_out` is the number of connections and disconnections just before without an entry.
    """

    type: ClassVar = EventType.CONNECTED
    apps: int
    left_out: int = 0


class AppDisconnected(EventData, frozen=True, kw_only=True, omit_defaults=True):
    """An app of a participant has disconnected; `apps` is the number of the remaining apps.

    `left_out` is the number of connections and disconnections just before without an entry.
    """

    type: ClassVar = EventType.DISCONNECTED
    apps: int
    left_out: int = 0


class ServerStarted(EventData, frozen=True, kw_only=True):
    """A server opened the session."""

    type: ClassVar = EventType.SERVER_STARTED
    release: str
    session: str


class ServerStopped(EventData, frozen=True, kw_only=True):
    """A server stopped normally."""

    type: ClassVar = EventType.SERVER_STOPPED


class LogEntry(Struct, frozen=True):
    """An entry of the event log."""

    id: int
    time: Timestamp
    type: str
    participant_index: int | None
    data: JsonObject
    previous: Annotated[str, Meta(description="The hash of the previous entry.")]
    hash: Annotated[str, Meta(description="SHA-256 of this entry and the previous hash.")]
