"""Every error that the project raises on purpose.

    ExperimentServerError
    ├── StudyInvalid              the study file has errors (carries its diagnostics)
    ├── StudyFileUnreadable       the study file is missing, misnamed or not text
    ├── OutputUnwritable          an output file cannot be written
    ├── ExtraMissing              an optional dependency is not installed
    ├── StudyTooLarge             reading the study takes too much time or memory
    ├── ExpansionFailed           a valid study cannot be expanded for this participant
    ├── ParticipantUnknown
    ├── ParticipantExists
    ├── ParticipantIndexInvalid
    ├── NotInBlock                there is no config before the first and after the last block
    ├── BlockOutOfRange
    ├── ParticipantElsewhere      the participant is not in the move's block (carries the snapshot)
    ├── NothingToUndo             the participant has no move that can be undone
    ├── OverrideRefused           a config change sets a key that only the server may set
    ├── KeyReused                 an idempotency key was reused for another request
    ├── StudyStale                the study file has changed since it was read for editing
    ├── VersionUnknown            the study has no version with this number
    ├── PreconditionMissing       an edit of the study file does not name the edited version
    ├── ParameterInvalid          a parameter has the wrong type or is missing
    ├── MediaTypeUnsupported      a body has an unsupported type, charset or compression
    ├── IdentifierInvalid         an identifier in a path is not an integer
    ├── OperationUnknown
    ├── TokenMissing              the server requires a token
    ├── TokenInvalid              a token is wrong, expired, or for another session
    ├── NotAllowed                the caller's role does not include this operation
    ├── OriginForeign             a browser page from elsewhere sent this
    ├── LimitReached              more than a server of this size takes (limits/)
    ├── RecordInvalid             a record of results is none, or names a table that cannot be
    │   ├── RecordTooLarge
    │   └── RecordConflict        another record was kept under this id
    ├── FileTooLarge              an uploaded file, or a piece of one, is larger than it may be
    ├── FileOffsetWrong           a piece does not continue what the server has (carries the offset)
    ├── FileConflict              a repeated piece has other content than before
    ├── FileHashWrong             a file does not have the SHA-256 that its sender declared
    ├── FileUnknown               no uploaded file has this name
    ├── RevisionConflict          somebody else committed first (retried by the service)
    ├── StoreUnavailable          the state could not be made durable
    │   ├── StorageFull           the disk has no room for a file
    │   ├── SessionLost           another server has taken over the session
    │   └── DatabaseDamaged       damage was found while the server ran
    ├── DatabaseInUse             another server uses this database
    ├── DatabaseUnusable          not a study's database, damaged, or from a newer release
    ├── SessionUnknown            the database has no session with this name
    ├── LogBroken                 the event log was changed, or is another one
    ├── ServerRefused             a called server refused, or did not answer
    └── StartRefused              the server cannot start with these settings

Clients get the `code`, which never changes once released; `status` is the HTTP status.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class ExperimentServerError(Exception):
    """An error with a stable code, an HTTP status and a message for the user."""

    code: ClassVar[str] = "internal-error"
    status: ClassVar[int] = 500

    def __init_subclass__(cls, code: str | None = None, status: int | None = None) -> None:
        cls.code = code or cls.code
        cls.status = status or cls.status

    @property
    def detail(self) -> str:
        """What is wrong, where, and what to do, in one or two sentences."""
        return str(self)


class StudyInvalid(ExperimentServerError, code="study-invalid", status=422):
    """The study has errors; `diagnostics` has all that were found in `source`."""

    def __init__(self, message: str, diagnostics: Sequence[Any] = (), source: Any = None) -> None:
        super().__init__(message)
        self.diagnostics = tuple(diagnostics)
        self.source = source


class StudyTooLarge(ExperimentServerError, code="study-too-large", status=422):
    """Reading the study, or its design report, exceeds the limit of time or memory."""


class StudyFileUnreadable(ExperimentServerError, code="study-file-unreadable", status=422):
    """The study file cannot be read as TOML text."""


class ExtraMissing(ExperimentServerError, code="extra-missing", status=501):
    """A feature needs a package that is not installed; the message says how to install it."""


class OutputUnwritable(ExperimentServerError, code="output-unwritable", status=422):
    """An output file cannot be written, or exists already."""


class ExpansionFailed(ExperimentServerError, code="expansion-failed", status=422):
    """The study cannot be expanded for this participant.

    `problem` is the diagnostic code, `at` the path of the faulty value in the study file.
    """

    def __init__(
        self, message: str, problem: str = "expansion-failed", at: tuple[str | int, ...] = ()
    ) -> None:
        super().__init__(message)
        self.problem = problem
        self.at = at


class ParticipantUnknown(ExperimentServerError, code="participant-unknown", status=406):
    """No participant has this index."""

    def __init__(self, participant_index: int) -> None:
        super().__init__(
            f"participant {participant_index} is not known; "
            f"add them first: PUT /api/add-participant/{participant_index}"
        )


class ParticipantExists(ExperimentServerError, code="participant-exists", status=406):
    """A participant with this index exists already."""

    def __init__(self, participant_index: int) -> None:
        super().__init__(f"participant {participant_index} exists already; nothing was changed")


class ParticipantIndexInvalid(ExperimentServerError, code="participant-index-invalid", status=406):
    """A participant index is below 1, or too large for the database."""


class NotInBlock(ExperimentServerError, code="not-in-block", status=406):
    """The participant has no current block."""


class BlockOutOfRange(ExperimentServerError, code="block-out-of-range", status=404):
    """The participant has no block with this id."""


class ParticipantElsewhere(ExperimentServerError, code="participant-elsewhere", status=409):
    """The participant is not at the block that the request names.

    `snapshot` is the current one; None until the repository adds it.
    """

    snapshot: Any = None


class NothingToUndo(ExperimentServerError, code="nothing-to-undo", status=409):
    """The participant has no move that can be undone."""


class OverrideRefused(ExperimentServerError, code="override-refused", status=422):
    """A config change sets a key that only the server may set."""


class KeyReused(ExperimentServerError, code="idempotency-key-reused", status=422):
    """An idempotency key was used for another request before."""


class StudyStale(ExperimentServerError, code="study-stale", status=412):
    """The study file has changed since it was read for editing."""


class VersionUnknown(ExperimentServerError, code="version-unknown", status=404):
    """The study has no version with this number."""


class PreconditionMissing(ExperimentServerError, code="precondition-missing", status=428):
    """A change of the study file does not name the edited version."""


class ParameterInvalid(ExperimentServerError, code="parameter-invalid", status=400):
    """A parameter is missing or has the wrong type; `record_id` names the record that it is in."""

    def __init__(self, message: str, record_id: str | None = None) -> None:
        super().__init__(message)
        self.record_id = record_id


class MediaTypeUnsupported(ExperimentServerError, code="media-type-unsupported", status=415):
    """A body has an unsupported type, charset or compression."""


class IdentifierInvalid(ExperimentServerError, code="identifier-invalid", status=404):
    """An identifier in a path is not an integer."""


class OperationUnknown(ExperimentServerError, code="operation-unknown", status=404):
    """The server has no operation with this name."""


class TokenMissing(ExperimentServerError, code="token-missing", status=401):
    """The server requires a token, and the caller sent none."""


class TokenInvalid(ExperimentServerError, code="token-invalid", status=401):
    """The caller's token is not valid here, or has expired."""


class NotAllowed(ExperimentServerError, code="not-allowed", status=403):
    """The caller's role does not allow this operation."""


class OriginForeign(ExperimentServerError, code="origin-foreign", status=403):
    """A browser sent this request for a page of another site."""


class LimitReached(ExperimentServerError, code="limit-reached", status=429):
    """A limit of the server is exceeded; the request may succeed later."""


class RecordInvalid(ExperimentServerError, code="record-invalid", status=422):
    """A record of results is not as it has to be; `record_id` names it, where it has an id."""

    def __init__(self, message: str, record_id: str | None = None) -> None:
        super().__init__(message)
        self.record_id = record_id


class RecordTooLarge(RecordInvalid, code="record-too-large", status=413):
    """A record of results is larger than it may be."""


class RecordConflict(RecordInvalid, code="record-conflict", status=409):
    """A record with other content was kept under the same id."""


class FileTooLarge(ExperimentServerError, code="file-too-large", status=413):
    """An uploaded file, or a piece of it, is larger than it may be."""


class FileOffsetWrong(ExperimentServerError, code="file-offset", status=409):
    """A piece of a file does not begin where the server's part ends; `offset` is that end."""

    def __init__(self, start: int, offset: int) -> None:
        super().__init__(
            f"the piece begins at byte {start:,}, and the server has {offset:,}; "
            "send the piece that begins there"
        )
        self.offset = offset


class FileConflict(ExperimentServerError, code="file-conflict", status=409):
    """A repeated piece of a file has other content than the server has there."""


class FileHashWrong(ExperimentServerError, code="file-hash-wrong", status=422):
    """A file does not have the SHA-256 that its sender declared; nothing of it was stored."""


class FileUnknown(ExperimentServerError, code="file-unknown", status=404):
    """No uploaded file has this name."""


class RevisionConflict(ExperimentServerError, code="revision-conflict", status=409):
    """The state has changed since it was read."""


class StoreUnavailable(ExperimentServerError, code="store-unavailable", status=503):
    """The change could not be committed, so nothing has changed."""


class StorageFull(StoreUnavailable, code="storage-full", status=507):
    """The disk has no room for a file, so nothing of it was stored."""


class SessionLost(StoreUnavailable, code="session-lost"):
    """Another server has taken over the session, so this one stops."""


class DatabaseDamaged(StoreUnavailable, code="database-damaged"):
    """Damage of the database was found while the server ran, so the server stops."""


class DatabaseInUse(ExperimentServerError, code="database-in-use", status=503):
    """Another server process uses this database."""


class DatabaseUnusable(ExperimentServerError, code="database-unusable", status=503):
    """This release cannot use the database."""


class SessionUnknown(ExperimentServerError, code="session-unknown", status=404):
    """The database has no session with this name."""


class LogBroken(ExperimentServerError, code="log-broken", status=500):
    """The event log was changed after it was written."""


class ServerRefused(ExperimentServerError, code="server-refused", status=502):
    """A running server did not do what it was asked for."""


class StartRefused(ExperimentServerError, code="start-refused", status=503):
    """The server cannot start with these settings on this machine."""
