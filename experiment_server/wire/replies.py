"""Smaller answers of operations, and refusals."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from experiment_server.wire.snapshots import ParticipantSnapshot, Timestamp
from experiment_server.wire.study import DiagnosticInfo


class NameReached(Struct, frozen=True):
    """The name of the block that a move led to; "START" or "END" outside of the blocks."""

    name: str


class BlocksCount(Struct, frozen=True):
    """The number of a participant's blocks, under both keys that are in use in the field."""

    participant_index: int
    config_length: int
    configs_length: int


class ParticipantLink(Struct, frozen=True):
    """A link that lets a participant's app in."""

    path: Annotated[str, Meta(description="Behind the server's address.")]
    urls: Annotated[list[str], Meta(description="The whole link, for every address.")]
    token: str
    expires_at: Timestamp


class Visit(Struct, frozen=True):
    """A stay of a participant in a block. Who is still there has nulls in the last four."""

    participant_index: int
    visit: Annotated[int, Meta(description="Counts the participant's stays, from 1.")]
    block_id: int
    block_name: str
    study_version: int | None
    started_at: Timestamp
    ended_at: Timestamp | None = None
    seconds: Annotated[
        float | None, Meta(description="The server's clock, to the millisecond.")
    ] = None
    left_to: Annotated[str | None, Meta(description="The name of the next block.")] = None
    moved_by: str | None = None


class ErrorInfo(Struct, frozen=True):
    """An error, as sockets are told of it."""

    code: Annotated[str, Meta(description="Which error it is; never changes once released.")]
    message: Annotated[str, Meta(description="What is wrong, where, and what to do.")]
    snapshot: Annotated[
        ParticipantSnapshot | UnsetType, Meta(description="Where the participant is instead.")
    ] = UNSET
    diagnostics: Annotated[
        list[DiagnosticInfo] | UnsetType, Meta(description="What is wrong with a study.")
    ] = UNSET


class Acknowledgement(Struct, frozen=True):
    """What a socket gets for an operation: `data` where it is `ok`, and `error` where not."""

    ok: bool
    data: Annotated[object, Meta(description="What the operation answers.")] = UNSET
    error: ErrorInfo | UnsetType = UNSET


class Problem(Struct, frozen=True):
    """An error response (RFC 9457); some errors have more members."""

    type: str
    title: str
    status: int
    code: Annotated[str, Meta(description="Which error it is; never changes once released.")]
    detail: str
    request_id: str
    snapshot: Annotated[
        ParticipantSnapshot | UnsetType, Meta(description="Where the participant is instead.")
    ] = UNSET
    diagnostics: Annotated[
        list[DiagnosticInfo] | UnsetType, Meta(description="What is wrong with a study.")
    ] = UNSET


class UploadedFile(Struct, frozen=True):
    """A file that an app uploaded."""

    path: str
    known: Annotated[bool, Meta(description="Whether the same file was stored before.")]
