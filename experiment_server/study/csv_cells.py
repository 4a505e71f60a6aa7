"""Splits CSV text into cells (RFC 4180), each with its position."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class CsvCell(NamedTuple):
    """A cell of a CSV text. Lines and columns count from 1; the end is exclusive.

    `quoted` is whether the cell is in quotes; a quoted cell is always text.
    """

    text: str
    quoted: bool
    line: int
    column: int
    end_column: int | None


class CsvSyntaxError(Exception):
    """A CSV text with an unclosed quote, or with text after a closing quote."""

    def __init__(self, message: str, hint: str, line: int, column: int) -> None:
        super().__init__(message)
        self.hint = hint
        self.line = line
        self.column = column


# A quoted cell with doubled quotes inside it, or a plain cell, up to the next comma or line end.
_QUOTED = re.compile(r'[ \t]*"([^"]*(?:""[^"]*)*)"[ \t]*(?=[,\n]|\Z)')
_PLAIN = re.compile(r"[^,\n]*")
_OPENING = re.compile(r'[ \t]*"')


def read_rows(text: str) -> Iterator[list[CsvCell]]:
    """The rows of a CSV text without empty lines; raises CsvSyntaxError.

    A row ends with any kind of line break. Spaces around a cell are removed.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    row: list[CsvCell] = []
    at, line, line_start = 0, 1, 0
    while True:
        quoted = _QUOTED.match(text, at)
        match = quoted or _PLAIN.match(text, at)
        if match is None or (quoted is None and _OPENING.match(text, at)):
            raise _syntax_error(text, at, line, line_start)
        column = at - line_start + 1
        value = quoted[1].replace('""', '"') if quoted else match[0].strip()
        breaks = match[0].count("\n")
        end = None if breaks else match.end() - line_start + 1
        row.append(CsvCell(value, quoted is not None, line, column, end))
        if breaks:
            line += breaks
            line_start = at + match[0].rindex("\n") + 1
        at = match.end()
        ends = at == len(text)
        if ends or text[at] == "\n":
            if len(row) > 1 or row[0].quoted or row[0].text:
                yield row
            if ends:
                return
            row = []
            line, line_start = line + 1, at + 1
        at += 1


def _syntax_error(text: str, at: int, line: int, line_start: int) -> CsvSyntaxError:
    closing = re.compile(r'[ \t]*"[^"]*(?:""[^"]*)*"').match(text, at)
    if closing is None:
        return CsvSyntaxError(
            "a cell that begins with a quote here is never closed",
            'close it with ", and write a quote inside it twice: ""',
            line,
            at - line_start + 1,
        )
    before = text[: closing.end()]
    return CsvSyntaxError(
        "a cell goes on behind its closing quote",
        'write a quote inside a cell twice: ""; and a comma between two cells',
        before.count("\n") + 1,
        len(before) - before.rfind("\n"),
    )
