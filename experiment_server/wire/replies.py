"""The smaller answers of operations, and errors."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from experiment_server.wire.snapshots import ParticipantSnapshot, Timestamp
from experiment_server.wire.study import DiagnosticInfo


class NameReached(Struct, frozen=True):
    """The name of the block after a move; "START" or "END" outside the blocks."""

    name: str


class BlocksCount(Struct, frozen=True):
    """The number of a participant's blocks, under both keys that existing programs read."""

    participant_index: int
    config_length: int
    configs_length: int


class ParticipantLink(Struct, frozen=True):
    """A login link for a participant's app."""

    path: Annotated[str, Meta(description="The part after the server's address.")]
    urls: Annotated[list[str], Meta(description="The whole link, once for each address.")]
    token: str
    expires_at: Timestamp


class Visit(Struct, frozen=True):
    """A stay of a participant in a block. The last four members are null during the stay."""

    participant_index: Annotated[int, Meta(description="The number of the participant, from 1.")]
    visit: Annotated[int, Meta(description="Counts the participant's stays, from 1.")]
    block_id: Annotated[
        int, Meta(description="The block's position in the participant's order, from 0.")
    ]
    block_name: Annotated[str, Meta(description="The block that the participant was in.")]
    study_version: Annotated[
        int | None, Meta(description="The version of the study that the participant had.")
    ]
    started_at: Annotated[Timestamp, Meta(description="When the stay began, in UTC.")]
    ended_at: Annotated[Timestamp | None, Meta(description="When the stay ended, in UTC.")] = None
    seconds: Annotated[
        float | None,
        Meta(description="The time in the block by the server's clock, to the millisecond."),
    ] = None
    left_to: Annotated[str | None, Meta(description="The name of the next block.")] = None
    moved_by: Annotated[
        str | None,
        Meta(description="Who ended it: participant, dashboard, rest, cli or server."),
    ] = None


class ErrorDetails(Struct, frozen=True, kw_only=True):
    """The members that only some kinds of errors have."""

    snapshot: Annotated[
        ParticipantSnapshot | UnsetType, Meta(description="The participant's actual position.")
    ] = UNSET
    diagnostics: Annotated[
        list[DiagnosticInfo] | UnsetType, Meta(description="The problems of a study.")
    ] = UNSET
    record_id: Annotated[
        str | UnsetType, Meta(description="The record of a batch that was refused.")
    ] = UNSET
    offset: Annotated[
        int | UnsetType, Meta(description="Where the next piece of a file has to begin.")
    ] = UNSET


class ErrorInfo(ErrorDetails, frozen=True):
    """An error in the form that sockets receive."""

    code: Annotated[str, Meta(description="The kind of the error; a released code never changes.")]
    message: Annotated[str, Meta(description="What is wrong, where, and what to do.")]


class Acknowledgement(Struct, frozen=True):
    """The answer to an operation over a socket: `data` if it is `ok`, otherwise `error`."""

    ok: bool
    data: Annotated[object, Meta(description="The answer of the operation.")] = UNSET
    error: ErrorInfo | UnsetType = UNSET


class Problem(ErrorDetails, frozen=True):
    """An error response (RFC 9457); some errors have more members."""

    type: str
    title: str
    status: int
    code: Annotated[str, Meta(description="The kind of the error; a released code never changes.")]
    detail: str
    request_id: str


class UploadedFile(Struct, frozen=True):
    """A file that an app uploaded."""

    path: str
    known: Annotated[bool, Meta(description="Whether the same file was stored before.")]
