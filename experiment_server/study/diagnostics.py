"""Diagnostics: the errors, warnings and hints about a study file, and their text form."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from experiment_server.limits.study import DIAGNOSTICS_MAX
from experiment_server.study.positions import Path, Positions, Span
from experiment_server.study.source import StudySource
from experiment_server.wire.study import DiagnosticInfo
from experiment_server.wire.values import JsonObject

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error, warning or hint about a study file.

    A study with an `error` does not run. A `warning` marks something that is probably a mistake,
    an `info` something useful. Lines and columns count from 1, in characters; the end is exclusive.
    They are None for a diagnostic without a position. `file` is the path of the table file, None
    for the study file itself.
    """

    code: str
    severity: Severity
    message: str
    hint: str | None = None
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    file: str | None = None

    def as_dict(self) -> JsonObject:
        """The fields by name, as a JSON object."""
        return asdict(self)

    def on_wire(self) -> DiagnosticInfo:
        """The diagnostic in the form that clients get."""
        return DiagnosticInfo(**asdict(self))

    def render(self, file_name: str = "study", source: StudySource | None = None) -> str:
        """The diagnostic as text, in the format of compilers.

        The lines are `file:line:column: severity[code]: message`, then, if the study's source is
        given, the marked line of the file, then the hint.
        """
        where = (self.file or file_name, self.line, self.column)
        position = ":".join(str(part) for part in where if part)
        rendered = [f"{position}: {self.severity}[{self.code}]: {self.message}"]
        if source is not None and self.line is not None:
            table = None if self.file is None else source.table(self.file)
            rendered += self._excerpt(source.text if table is None else table.text)
        if self.hint:
            rendered.append(f"  hint: {self.hint}")
        return "\n".join(rendered)

    def _excerpt(self, text: str) -> list[str]:
        lines = text.removeprefix("\ufeff").split("\n")
        if self.line is None or self.line > len(lines):
            return []
        line = lines[self.line - 1].rstrip("\r")
        start = min((self.column or 1) - 1, len(line))
        end = len(line)
        if self.end_column is not None and self.end_line == self.line:
            end = self.end_column - 1
        # The marker line repeats the tabs of the text line, so that both align.
        margin = "".join(character if character == "\t" else " " for character in line[:start])
        marks = "^" * max(1, len(line[start:end].rstrip()))
        number = str(self.line)
        return [f"  {number} | {line}", f"  {' ' * len(number)} | {margin}{marks}"]


class Findings:
    """Collects the diagnostics of a study file with this text."""

    def __init__(self, text: str) -> None:
        self._positions = Positions(text)
        # In the order of their discovery.
        self._found: dict[Diagnostic, None] = {}
        self._counts: Counter[Severity] = Counter()

    def error(
        self, code: str, message: str, hint: str | None = None, *, at: Path = (), key: bool = False
    ) -> None:
        """Add an error; with `key`, its position is that of the key, not of the value."""
        span = self._positions.key(at) if key else self._positions.value(at)
        self._note(code, "error", message, hint, span)

    def warning(
        self, code: str, message: str, hint: str | None = None, *, at: Path = (), key: bool = False
    ) -> None:
        """Add a warning; with `key`, its position is that of the key, not of the value."""
        span = self._positions.key(at) if key else self._positions.value(at)
        self._note(code, "warning", message, hint, span)

    def info(self, code: str, message: str, hint: str | None = None, *, at: Path = ()) -> None:
        """Add a hint."""
        self._note(code, "info", message, hint, self._positions.value(at))

    def add(self, diagnostic: Diagnostic) -> None:
        """Add a diagnostic unless it is there already, or there are too many."""
        severity = diagnostic.severity
        if diagnostic not in self._found and self._counts[severity] < DIAGNOSTICS_MAX:
            self._found[diagnostic] = None
            self._counts[severity] += 1

    @property
    def has_errors(self) -> bool:
        """Whether one of the diagnostics is an error."""
        return self._counts["error"] > 0

    def all(self) -> tuple[Diagnostic, ...]:
        """All diagnostics by file and position; those without a position are last.

        The study file comes first.
        """

        def position(item: Diagnostic) -> tuple[str, int, int]:
            return item.file or "", item.line or 10**9, item.column or 10**9

        return tuple(sorted(self._found, key=position))

    def _note(
        self, code: str, severity: Severity, message: str, hint: str | None, span: Span | None
    ) -> None:
        position = asdict(span) if span is not None else {}
        self.add(Diagnostic(code, severity, message, hint, **position))


def shown(value: object) -> str:
    """A value in TOML syntax, for messages."""
    return json.dumps(value, ensure_ascii=False, default=str)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """A question that suggests the known name most similar to `word`; None if none is similar."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else None
