"""What is wrong with a study file, and how it is told."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem in a study file; `line` and `column` count from 1, where they are known."""

    code: str
    severity: Severity
    message: str
    hint: str | None = None
    line: int | None = None
    column: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The wire form: the fields under their own names."""
        return asdict(self)

    def render(self, file_name: str = "study") -> str:
        """One line as compilers print it: file:line:column: severity[code]: message."""
        place = ":".join(str(part) for part in (file_name, self.line, self.column) if part)
        text = f"{place}: {self.severity}[{self.code}]: {self.message}"
        return f"{text}\n    hint: {self.hint}" if self.hint else text


class Findings:
    """Collects the diagnostics of one run over a study file."""

    def __init__(self) -> None:
        self._found: list[Diagnostic] = []

    def error(self, code: str, message: str, hint: str | None = None) -> None:
        """Note a problem that keeps the study from running."""
        self.add(Diagnostic(code, "error", message, hint))

    def warning(self, code: str, message: str, hint: str | None = None) -> None:
        """Note something that runs but is hardly meant."""
        self.add(Diagnostic(code, "warning", message, hint))

    def add(self, diagnostic: Diagnostic) -> None:
        """Note a diagnostic, once however often it is met."""
        if diagnostic not in self._found:
            self._found.append(diagnostic)

    @property
    def has_errors(self) -> bool:
        """Whether one of them is an error."""
        return any(diagnostic.severity == "error" for diagnostic in self._found)

    def all(self) -> tuple[Diagnostic, ...]:
        """All of them, in the order in which they were found."""
        return tuple(self._found)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """A question that suggests the known name most like `word`, if one is like it at all."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else None
