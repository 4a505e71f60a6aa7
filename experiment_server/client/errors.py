"""What a client says no with."""

from __future__ import annotations


class StudyError(Exception):
    """The server said no, or cannot be asked. `code` never changes once released."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
