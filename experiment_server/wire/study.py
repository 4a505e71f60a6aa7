"""What is told of a study: its versions, its diagnostics, and what a new version changes."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from experiment_server.wire.snapshots import ParticipantRow, Timestamp
from experiment_server.wire.values import JsonObject

PlaceInFile = Annotated[
    int | None,
    Meta(description="Counted from 1, the end exclusive; null for no place in the file."),
]


class DiagnosticInfo(Struct, frozen=True):
    """One finding in a study file."""

    code: str
    severity: Literal["error", "warning", "info"]
    message: str
    hint: str | None
    line: PlaceInFile
    column: PlaceInFile
    end_line: PlaceInFile
    end_column: PlaceInFile
    file: Annotated[
        str | None,
        Meta(description="The path of the table that it is about; null for the study file."),
    ] = None


class ServedStudy(Struct, frozen=True, kw_only=True):
    """The version of the study that is served."""

    name: str
    digest: str
    version: Annotated[int, Meta(description="Counts the versions that were served, from 1.")]


class VersionInfo(Struct, frozen=True):
    """A version of the study that was served."""

    version: int
    digest: str
    loaded_at: Timestamp
    reason: str


class StudyInfo(ServedStudy, frozen=True, kw_only=True):
    """The study with its diagnostics and versions."""

    diagnostics: list[DiagnosticInfo]
    on_change: str
    versions: list[VersionInfo]


class Affected(Struct, frozen=True):
    """Whom a new version concerns."""

    reordered: Annotated[list[int], Meta(description="Participants with other blocks than before.")]
    ended: Annotated[list[int], Meta(description="Participants beyond the new last block.")]
    kept: Annotated[list[int], Meta(description="Participants who keep the version they have.")]


class StudyChanged(ServedStudy, frozen=True, kw_only=True):
    """A study file was loaded or refused; whom it concerns is told where a version is new."""

    diagnostics: list[DiagnosticInfo]
    reordered: list[int] | UnsetType = UNSET
    ended: list[int] | UnsetType = UNSET
    kept: list[int] | UnsetType = UNSET


class StudyChangedForApp(Struct, frozen=True):
    """What participants' apps are told of a new version."""

    digest: str
    name: str


class Verified(Struct, frozen=True):
    """What is in a study text that was not saved."""

    ok: bool
    digest: str
    diagnostics: list[DiagnosticInfo]
    orders: list[tuple[str, ...]]
    affected: Affected | None


class TableText(Struct, frozen=True):
    """The file of a table."""

    path: Annotated[str, Meta(description="Where it is, from the study's folder.")]
    text: Annotated[str | None, Meta(description="null where it cannot be read.")]


class StudyTexts(Struct, frozen=True):
    """All that a study is written in."""

    text: Annotated[str, Meta(description="The study file.")]
    digest: Annotated[str, Meta(description="The digest of the study with its tables.")]
    tables: list[TableText]


class CellCount(Struct, frozen=True):
    """How many participants are in one cell of the between-subjects factors."""

    levels: JsonObject
    participants: int


class OrderedItems(Struct, frozen=True):
    """What has an order: a group of an order tree, or a factor, whose `strategy` is null."""

    name: str
    strategy: str | None
    items: tuple[str, ...]
    positions: Annotated[
        list[list[int]], Meta(description="How often an item (row) is at a position (column).")
    ]
    carry_over: Annotated[
        list[list[int]],
        Meta(description="How often an item (row) is followed by another (column)."),
    ]
    balanced: dict[str, bool]


class DesignReport(Struct, frozen=True):
    """What the orders of participants 1 to `participants` balance."""

    participants: int
    conditions: tuple[str, ...]
    positions: Annotated[
        list[list[int]],
        Meta(description="How many participants have a condition (row) at a position (column)."),
    ]
    carry_over: Annotated[
        list[list[int]],
        Meta(description="How often a condition (row) is followed by another (column)."),
    ]
    cells: list[CellCount]
    repeats: int
    groups: Annotated[
        list[OrderedItems],
        Meta(description="The groups of an order tree that a strategy orders, one by one."),
    ]
    factors: list[OrderedItems]
    balanced: dict[str, bool]
    better: Annotated[
        list[int], Meta(description="The nearest numbers of participants that balance more.")
    ]
    sentence: str
    orders: Annotated[
        list[tuple[str, ...]], Meta(description="The block names of the first participants.")
    ]


class Overview(Struct, frozen=True, kw_only=True):
    """All that a dashboard begins with: in its page, and at each connection."""

    study: ServedStudy
    diagnostics: list[DiagnosticInfo]
    participants: list[ParticipantRow]
    default_participant: int
    database: str
    session: Annotated[str, Meta(description="Which run of the study this is.")]
    has_app: Annotated[bool, Meta(description="Whether a participants' app is served at /app/.")]
    guarded: Annotated[bool, Meta(description="Whether a participant's app needs a token.")]
    urls: Annotated[list[str], Meta(description="Where other devices reach the server.")]
    server_time: Timestamp


class MoreParticipants(Struct, frozen=True):
    """Participants who did not fit into a large session's first overview."""

    participants: list[ParticipantRow]
