"""A study: its versions, its diagnostics, its design, and the effects of a new version."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from experiment_server.wire.results import ParticipantResults
from experiment_server.wire.snapshots import ParticipantRow, Timestamp
from experiment_server.wire.values import JsonObject

PlaceInFile = Annotated[
    int | None,
    Meta(description="Counted from 1, the end exclusive; null for no position in the file."),
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
        Meta(description="The path of the table with the finding; null for the study file."),
    ] = None


class ServedStudy(Struct, frozen=True, kw_only=True):
    """The version of the study that the server serves."""

    name: str
    digest: str
    version: Annotated[int, Meta(description="The number of this version, from 1.")]


class VersionInfo(Struct, frozen=True):
    """A version of the study that the server served."""

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
    """The participants that a new version affects."""

    reordered: Annotated[list[int], Meta(description="Participants with other blocks than before.")]
    ended: Annotated[list[int], Meta(description="Participants beyond the new last block.")]
    kept: Annotated[list[int], Meta(description="Participants who keep the version they have.")]


class StudyChanged(ServedStudy, frozen=True, kw_only=True):
    """The server loaded or refused a study file. A new version has the affected participants."""

    diagnostics: list[DiagnosticInfo]
    reordered: list[int] | UnsetType = UNSET
    ended: list[int] | UnsetType = UNSET
    kept: list[int] | UnsetType = UNSET


class StudyChangedForApp(Struct, frozen=True):
    """A new version, for participants' apps."""

    digest: str
    name: str


class Verified(Struct, frozen=True):
    """The result of the check of an unsaved study text."""

    ok: bool
    digest: str
    diagnostics: list[DiagnosticInfo]
    orders: list[tuple[str, ...]]
    affected: Affected | None


class TableText(Struct, frozen=True):
    """The file of a table."""

    path: Annotated[str, Meta(description="The path from the study's folder.")]
    text: Annotated[str | None, Meta(description="null if it cannot be read.")]


class StudyTexts(Struct, frozen=True):
    """All texts of a study."""

    text: Annotated[str, Meta(description="The study file.")]
    digest: Annotated[str, Meta(description="The digest of the study with its tables.")]
    tables: list[TableText]


class CellCount(Struct, frozen=True):
    """The number of participants in one cell of the between-subjects factors."""

    levels: JsonObject
    participants: int


class OrderedItems(Struct, frozen=True):
    """A group of an order tree, or a factor, whose `strategy` is null."""

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
    """The balance of the orders of participants 1 to `participants`."""

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
        Meta(description="The groups of an order tree that a strategy orders."),
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
    """The initial data of a dashboard, in its page and at each connection."""

    study: ServedStudy
    diagnostics: list[DiagnosticInfo]
    participants: list[ParticipantRow]
    results: Annotated[
        list[ParticipantResults],
        Meta(description="Of participants who have records, or whose apps have unsent ones."),
    ]
    default_participant: int
    database: str
    session: Annotated[str, Meta(description="The name of the session.")]
    has_app: Annotated[bool, Meta(description="Whether a participants' app is served at /app/.")]
    guarded: Annotated[bool, Meta(description="Whether a participant's app needs a token.")]
    urls: Annotated[
        list[str], Meta(description="The addresses at which other devices reach the server.")
    ]
    server_time: Timestamp
