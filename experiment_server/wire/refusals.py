"""Errors in the form that clients receive."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from experiment_server.errors import (
    ExperimentServerError,
    FileOffsetWrong,
    ParameterInvalid,
    ParticipantElsewhere,
    RecordInvalid,
    StudyInvalid,
)
from experiment_server.wire.replies import ErrorInfo
from experiment_server.wire.snapshots import ParticipantSnapshot
from experiment_server.wire.study import DiagnosticInfo

SERVER_FAILED = ErrorInfo(ExperimentServerError.code, "the server failed; its log says why")
"""The only information that clients receive about a failure inside the server."""


def error_info(error: ExperimentServerError) -> ErrorInfo:
    """An error with the additional members of its kind."""
    snapshot: ParticipantSnapshot | UnsetType = UNSET
    diagnostics: list[DiagnosticInfo] | UnsetType = UNSET
    record_id: str | UnsetType = UNSET
    offset: int | UnsetType = UNSET
    if isinstance(error, ParticipantElsewhere):
        snapshot = error.snapshot or UNSET
    if isinstance(error, StudyInvalid):
        diagnostics = [item.on_wire() for item in error.diagnostics]
    if isinstance(error, ParameterInvalid | RecordInvalid):
        record_id = UNSET if error.record_id is None else encodable(error.record_id)
    if isinstance(error, FileOffsetWrong):
        offset = error.offset
    return ErrorInfo(
        error.code,
        encodable(error.detail),
        snapshot=snapshot,
        diagnostics=diagnostics,
        record_id=record_id,
        offset=offset,
    )


def encodable(message: str) -> str:
    """A message that can be sent, although it may quote a value with invalid Unicode."""
    return message.encode("utf-8", "backslashreplace").decode()
