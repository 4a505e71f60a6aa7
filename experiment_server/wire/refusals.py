"""Errors as clients are told of them."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from experiment_server.errors import ExperimentServerError, ParticipantElsewhere, StudyInvalid
from experiment_server.wire.replies import ErrorInfo
from experiment_server.wire.snapshots import ParticipantSnapshot
from experiment_server.wire.study import DiagnosticInfo

SERVER_FAILED = ErrorInfo(ExperimentServerError.code, "the server failed; its log says why")
"""What is told of a mistake in the server, and no more."""


def error_info(error: ExperimentServerError) -> ErrorInfo:
    """An error with all that its kind tells."""
    snapshot: ParticipantSnapshot | UnsetType = UNSET
    diagnostics: list[DiagnosticInfo] | UnsetType = UNSET
    if isinstance(error, ParticipantElsewhere):
        snapshot = error.snapshot or UNSET
    if isinstance(error, StudyInvalid):
        diagnostics = [item.on_wire() for item in error.diagnostics]
    return ErrorInfo(error.code, encodable(error.detail), snapshot, diagnostics)


def encodable(message: str) -> str:
    """A message that can be sent: what is wrong may be quoted in it, and need not be Unicode."""
    return message.encode("utf-8", "backslashreplace").decode()
