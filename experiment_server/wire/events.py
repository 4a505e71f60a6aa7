"""The event log's entries, and what each type of event tells."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, ClassVar

from msgspec import Meta, Struct, field

from experiment_server.wire.snapshots import Timestamp
from experiment_server.wire.values import JsonObject


class EventType(str, Enum):
    """Everything that is logged."""

    PARTICIPANT_ADDED = "participant_added"
    MOVED = "moved"
    FINISHED = "finished"
    CONFIG_OVERRIDDEN = "config_overridden"
    PARTICIPANT_RESET = "participant_reset"
    RECORDED = "recorded"
    STUDY_LOADED = "study_loaded"
    STUDY_REFUSED = "study_refused"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    SERVER_STARTED = "server_started"
    SERVER_STOPPED = "server_stopped"


class Actor(str, Enum):
    """By which way a change was asked for."""

    PARTICIPANT = "participant"
    DASHBOARD = "dashboard"
    REST = "rest"
    CLI = "cli"
    SERVER = "server"


class EventData(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an event tells beside its time and participant; optional fields are left out."""

    type: ClassVar[EventType]


class Caused(EventData, frozen=True, kw_only=True, omit_defaults=True):
    """An event that somebody caused: who, and the reason that they gave."""

    by: Actor
    reason: str | None = None


class BlockPlace(Struct, frozen=True, gc=False):
    """Where a participant stands in their block order."""

    block_id: int
    block_name: str


class ParticipantAdded(Caused, frozen=True, kw_only=True, omit_defaults=True):
    """A participant was added. `row` is the row of the design that they follow.

    It is left out where it is that of their index.
    """

    type: ClassVar = EventType.PARTICIPANT_ADDED
    row: int | None = None


class Moved(Caused, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A participant was moved. `undoes` is the id of the move that this one takes back."""

    type: ClassVar = EventType.MOVED
    revision: int
    origin: BlockPlace = field(name="from")
    destination: BlockPlace = field(name="to")
    in_block: bool
    study_version: int
    undoes: int | None = None


class Finished(Caused, frozen=True, kw_only=True, omit_defaults=True):
    """A participant went past their last block."""

    type: ClassVar = EventType.FINISHED
    revision: int


class ConfigOverridden(Caused, frozen=True, kw_only=True, omit_defaults=True):
    """The config of a participant's current block was changed for them alone.

    `overrides` is the digest of all that is changed for them.
    """

    type: ClassVar = EventType.CONFIG_OVERRIDDEN
    revision: int
    block: BlockPlace
    patch: JsonObject
    overrides: str


class ParticipantReset(Caused, frozen=True, kw_only=True, omit_defaults=True):
    """A participant's overrides were dropped: `[block name, occurrence]` for each."""

    type: ClassVar = EventType.PARTICIPANT_RESET
    revision: int
    dropped: list[tuple[str, int]]


class Recorded(Caused, frozen=True, kw_only=True, omit_defaults=True):
    """Records of a participant were kept. `sha256` is the hash of the batch."""

    type: ClassVar = EventType.RECORDED
    table: str
    count: int
    sha256: str


class StudyLoaded(Caused, frozen=True, kw_only=True, omit_defaults=True):
    """A version of the study is served, and whom it concerned.

    `kept_study` is the digest that those who are `kept`, and had the served version so far, keep.
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
    """One error of a study that was refused, in the study file, or in the `file` of a table."""

    code: str
    line: int | None
    message: str
    file: str | None = None


class StudyRefused(Caused, frozen=True, kw_only=True, omit_defaults=True):
    """A study file has errors, or cannot be read. `errors` counts all of them."""

    type: ClassVar = EventType.STUDY_REFUSED
    digest: str | None
    errors: int
    first: list[RefusedLine]


class AppConnected(EventData, frozen=True, kw_only=True, omit_defaults=True):
    """An app of a participant has connected; `apps` counts those that are.

    `left_out` counts the comings and goings just before that have no entry of their own.
    """

    type: ClassVar = EventType.CONNECTED
    apps: int
    left_out: int = 0


class AppDisconnected(EventData, frozen=True, kw_only=True, omit_defaults=True):
    """An app of a participant has disconnected; `apps` counts those that are left.

    `left_out` counts the comings and goings just before that have no entry of their own.
    """

    type: ClassVar = EventType.DISCONNECTED
    apps: int
    left_out: int = 0


class ServerStarted(EventData, frozen=True, kw_only=True):
    """A server took the session up."""

    type: ClassVar = EventType.SERVER_STARTED
    release: str
    session: str


class ServerStopped(EventData, frozen=True, kw_only=True):
    """A server stopped in order."""

    type: ClassVar = EventType.SERVER_STOPPED


class LogEntry(Struct, frozen=True):
    """An entry of the event log."""

    id: int
    time: Timestamp
    type: str
    participant_index: int | None
    data: JsonObject
    previous: Annotated[str, Meta(description="The hash of the entry before.")]
    hash: Annotated[str, Meta(description="SHA-256 of this entry and the hash before it.")]
