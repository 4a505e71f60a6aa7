"""The error of the asynchronous client."""

from __future__ import annotations


class StudyError(Exception):
    """The server refused a request, or cannot be reached. Released codes never change."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
