"""What is wrong with a study file, and how it is told."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

from experiment_server.limits import DIAGNOSTICS_MAX
from experiment_server.study.positions import Path, Positions, Span
from experiment_server.study.source import StudySource
from experiment_server.wire.study import DiagnosticInfo
from experiment_server.wire.values import JsonObject

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding in a study file.

    An `error` keeps the study from running, a `warning` runs but is hardly meant, an `info` is
    good to know. Lines and columns count from 1, in characters, the end is exclusive; they are
    None where the finding is about no place in the file. `file` is the path of the table that it
    is about, None for the study file itself.
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
        """The wire form: the fields under their own names."""
        return asdict(self)

    def on_wire(self) -> DiagnosticInfo:
        """The finding as clients get it."""
        return DiagnosticInfo(**asdict(self))

    def render(self, file_name: str = "study", source: StudySource | None = None) -> str:
        """As compilers print it, with the line underlined if the study's source is given.

        `file:line:column: severity[code]: message`, the line, the hint.
        """
        where = (self.file or file_name, self.line, self.column)
        place = ":".join(str(part) for part in where if part)
        rendered = [f"{place}: {self.severity}[{self.code}]: {self.message}"]
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
        # What stands before and under the mark is shown alike, tabs and all.
        margin = "".join(character if character == "\t" else " " for character in line[:start])
        marks = "^" * max(1, len(line[start:end].rstrip()))
        number = str(self.line)
        return [f"  {number} | {line}", f"  {' ' * len(number)} | {margin}{marks}"]


class Findings:
    """Collects the diagnostics of one run over a study file with this text."""

    def __init__(self, text: str) -> None:
        self._positions = Positions(text)
        # In the order in which they are met.
        self._found: dict[Diagnostic, None] = {}
        self._counts: Counter[Severity] = Counter()

    def error(
        self, code: str, message: str, hint: str | None = None, *, at: Path = (), key: bool = False
    ) -> None:
        """Note a problem that keeps the study from running; `key` marks the key, not its value."""
        span = self._positions.key(at) if key else self._positions.value(at)
        self._note(code, "error", message, hint, span)

    def warning(
        self, code: str, message: str, hint: str | None = None, *, at: Path = (), key: bool = False
    ) -> None:
        """Note something that runs but is hardly meant; `key` marks the key, not its value."""
        span = self._positions.key(at) if key else self._positions.value(at)
        self._note(code, "warning", message, hint, span)

    def info(self, code: str, message: str, hint: str | None = None, *, at: Path = ()) -> None:
        """Note something that is good to know."""
        self._note(code, "info", message, hint, self._positions.value(at))

    def add(self, diagnostic: Diagnostic) -> None:
        """Note a diagnostic, once however often it is met, and no more than can be read."""
        severity = diagnostic.severity
        if diagnostic not in self._found and self._counts[severity] < DIAGNOSTICS_MAX:
            self._found[diagnostic] = None
            self._counts[severity] += 1

    @property
    def has_errors(self) -> bool:
        """Whether one of them is an error."""
        return self._counts["error"] > 0

    def all(self) -> tuple[Diagnostic, ...]:
        """All of them, from the top of each file to its end, those without a place last.

        The study file comes first.
        """

        def place(item: Diagnostic) -> tuple[str, int, int]:
            return item.file or "", item.line or 10**9, item.column or 10**9

        return tuple(sorted(self._found, key=place))

    def _note(
        self, code: str, severity: Severity, message: str, hint: str | None, span: Span | None
    ) -> None:
        place = asdict(span) if span is not None else {}
        self.add(Diagnostic(code, severity, message, hint, **place))


def shown(value: object) -> str:
    """A value of the file as TOML writes it, for messages."""
    return json.dumps(value, ensure_ascii=False, default=str)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """A question that suggests the known name most like `word`, if one is like it at all."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else None
