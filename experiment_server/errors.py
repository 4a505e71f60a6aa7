"""Every error that the project raises on purpose.

    ExperimentServerError
    ├── StudyInvalid              the study file has errors (carries its diagnostics)
    ├── StudyFileUnreadable       the study file is missing, misnamed or no text
    ├── OutputUnwritable          a file that was asked for cannot be written
    ├── ExtraMissing              an optional dependency is not installed
    ├── StudyTooLarge             reading the study takes more than a server spends on it
    ├── ExpansionFailed           a valid study cannot be expanded for this participant
    ├── ParticipantUnknown
    ├── ParticipantExists
    ├── ParticipantIndexInvalid
    ├── NotInBlock                a config was asked for before the first or after the last block
    ├── BlockOutOfRange
    ├── ParticipantElsewhere      a move named the block it was meant for (carries the snapshot)
    ├── NothingToUndo             the participant has not been moved, or all moves are taken back
    ├── OverrideRefused           a change of a config names what only the server may set
    ├── KeyReused                 an idempotency key came again with another request
    ├── StudyStale                the study file is no longer the one that was edited
    ├── VersionUnknown            the study was never served in a version of this number
    ├── PreconditionMissing       an edit of the study file does not say what it was made from
    ├── ParameterInvalid          a parameter has the wrong type or is missing
    ├── MediaTypeUnsupported      a body is of a type, or in a charset, that is not read here
    ├── IdentifierInvalid         an identifier in an address is no integer
    ├── OperationUnknown
    ├── TokenMissing              nobody is let in here without a token
    ├── TokenInvalid              a token is wrong, expired, or for another session
    ├── NotAllowed                the caller's role does not include this operation
    ├── OriginForeign             a browser page from elsewhere sent this
    ├── LimitReached              more than a server of this size takes (limits.py)
    ├── RevisionConflict          somebody else committed first (retried by the service)
    ├── StoreUnavailable          the state could not be made durable
    │   ├── SessionLost           another server has taken over the session
    │   └── DatabaseDamaged       the database turned out to be damaged while it was served
    ├── DatabaseInUse             another server works on this database
    ├── DatabaseUnusable          not a database of ours, damaged, or from a newer release
    ├── SessionUnknown            the database has no session of this name
    ├── LogBroken                 the event log was changed, or is another one
    ├── ServerRefused             a server that was called said no, or nothing
    └── StartRefused              the server cannot start as asked

Clients learn `code`, which never changes once released; `status` is its HTTP status.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class ExperimentServerError(Exception):
    """An error with a stable code, an HTTP status and a message for the user."""

    code: ClassVar[str] = "internal-error"
    status: ClassVar[int] = 500

    @property
    def detail(self) -> str:
        """What is wrong, where, and what to do, in one or two sentences."""
        return str(self)


class StudyInvalid(ExperimentServerError):
    """The study has errors; `diagnostics` holds every one that was found in `source`."""

    code = "study-invalid"
    status = 422

    def __init__(self, message: str, diagnostics: Sequence[Any] = (), source: Any = None) -> None:
        super().__init__(message)
        self.diagnostics = tuple(diagnostics)
        self.source = source


class StudyTooLarge(ExperimentServerError):
    """Reading the study, or its design report, takes more time or memory than it may."""

    code = "study-too-large"
    status = 422


class StudyFileUnreadable(ExperimentServerError):
    """The study file cannot be read as a TOML text."""

    code = "study-file-unreadable"
    status = 422


class ExtraMissing(ExperimentServerError):
    """A feature needs a package that is not installed; the message says how to install it."""

    code = "extra-missing"
    status = 501


class OutputUnwritable(ExperimentServerError):
    """A file that a command was asked to write cannot be written, or is there already."""

    code = "output-unwritable"
    status = 422


class ExpansionFailed(ExperimentServerError):
    """The study cannot be expanded for this participant.

    `problem` is the diagnostic code, `at` the path of the culprit in the study file.
    """

    code = "expansion-failed"
    status = 422

    def __init__(
        self, message: str, problem: str = "expansion-failed", at: tuple[str | int, ...] = ()
    ) -> None:
        super().__init__(message)
        self.problem = problem
        self.at = at


class ParticipantUnknown(ExperimentServerError):
    """No participant has this index."""

    code = "participant-unknown"
    status = 406

    def __init__(self, participant_index: int) -> None:
        super().__init__(
            f"participant {participant_index} is not known; "
            f"add them first: PUT /api/add-participant/{participant_index}"
        )


class ParticipantExists(ExperimentServerError):
    """A participant with this index was added before."""

    code = "participant-exists"
    status = 406

    def __init__(self, participant_index: int) -> None:
        super().__init__(f"participant {participant_index} exists already; nothing was changed")


class ParticipantIndexInvalid(ExperimentServerError):
    """A participant index is below 1 or beyond what the store can hold."""

    code = "participant-index-invalid"
    status = 406


class NotInBlock(ExperimentServerError):
    """The participant has no current block."""

    code = "not-in-block"
    status = 406


class BlockOutOfRange(ExperimentServerError):
    """The participant has no block with this id."""

    code = "block-out-of-range"
    status = 404


class ParticipantElsewhere(ExperimentServerError):
    """The participant is not at the block that the request names.

    `snapshot` says where they are; None where the error has not yet passed the service.
    """

    code = "participant-elsewhere"
    status = 409
    snapshot: Any = None


class NothingToUndo(ExperimentServerError):
    """There is no move of this participant that can be taken back."""

    code = "nothing-to-undo"
    status = 409


class OverrideRefused(ExperimentServerError):
    """A change of a config names a key that only the server sets."""

    code = "override-refused"
    status = 422


class KeyReused(ExperimentServerError):
    """An idempotency key came with a request before that was another one."""

    code = "idempotency-key-reused"
    status = 422


class StudyStale(ExperimentServerError):
    """The study file has changed since the text that was edited was read."""

    code = "study-stale"
    status = 412


class VersionUnknown(ExperimentServerError):
    """The study has no version of this number."""

    code = "version-unknown"
    status = 404


class PreconditionMissing(ExperimentServerError):
    """A change of the study file does not say which text it was made from."""

    code = "precondition-missing"
    status = 428


class ParameterInvalid(ExperimentServerError):
    """A parameter is missing or has the wrong type."""

    code = "parameter-invalid"
    status = 400


class MediaTypeUnsupported(ExperimentServerError):
    """A body is of a type, in a charset, or packed in a way, that is not read here."""

    code = "media-type-unsupported"
    status = 415


class IdentifierInvalid(ExperimentServerError):
    """An identifier in an address is no integer, so nothing is there."""

    code = "identifier-invalid"
    status = 404


class OperationUnknown(ExperimentServerError):
    """The server has no operation of this name."""

    code = "operation-unknown"
    status = 404


class TokenMissing(ExperimentServerError):
    """The caller shows no token where one is needed."""

    code = "token-missing"
    status = 401


class TokenInvalid(ExperimentServerError):
    """The caller's token is none of ours, or has expired."""

    code = "token-invalid"
    status = 401


class NotAllowed(ExperimentServerError):
    """The caller may not do this."""

    code = "not-allowed"
    status = 403


class OriginForeign(ExperimentServerError):
    """A browser sent this on behalf of a page that is not ours."""

    code = "origin-foreign"
    status = 403


class LimitReached(ExperimentServerError):
    """More was asked for than the server takes; it may work later."""

    code = "limit-reached"
    status = 429


class RevisionConflict(ExperimentServerError):
    """The state was changed since it was read."""

    code = "revision-conflict"
    status = 409


class StoreUnavailable(ExperimentServerError):
    """The change could not be made durable, so it was not made."""

    code = "store-unavailable"
    status = 503


class SessionLost(StoreUnavailable):
    """Another server has taken over the session, so this one stops."""

    code = "session-lost"


class DatabaseDamaged(StoreUnavailable):
    """The database turned out to be damaged while it was served, so the server stops."""

    code = "database-damaged"


class DatabaseInUse(ExperimentServerError):
    """Another server process holds this database."""

    code = "database-in-use"
    status = 503


class DatabaseUnusable(ExperimentServerError):
    """The file is no database that this release can work with."""

    code = "database-unusable"
    status = 503


class SessionUnknown(ExperimentServerError):
    """The database has no session of this name."""

    code = "session-unknown"
    status = 404


class LogBroken(ExperimentServerError):
    """The event log is not as it was written."""

    code = "log-broken"
    status = 500


class ServerRefused(ExperimentServerError):
    """A running server did not do what it was asked for."""

    code = "server-refused"
    status = 502


class StartRefused(ExperimentServerError):
    """The server cannot start with these settings on this machine."""

    code = "start-refused"
    status = 503
