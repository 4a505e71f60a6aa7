"""Finds the positions of a TOML document's keys and values in its text.

The TOML parser that reads the values does not return positions. This module walks the syntax tree
of the same text, only when a diagnostic needs a position.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import tomli
import tree_sitter_toml
from tree_sitter import Language, Node, Parser

Path = tuple[str | int, ...]
"""The path from the document to a value: keys of tables, and indices in lists from 0."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of text. Lines and columns count from 1, in characters; the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


class Positions:
    """The positions of a document's keys and values; they are computed at the first use."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._text = text

    def value(self, path: Path) -> Span | None:
        """The position of the value at a path, or of the innermost known value around it."""
        for length in range(len(path), 0, -1):
            span = self._index.values.get(path[:length])
            if span is not None:
                return span
        return None

    def key(self, path: Path) -> Span | None:
        """The position of the key at a path, or of the innermost known value around it."""
        return (self._index.keys.get(path) if path else None) or self.value(path)

    @cached_property
    def _index(self) -> _Index:
        parser = Parser(Language(tree_sitter_toml.language()))
        index = _Index(self._lines)
        index.read(parser.parse(self._text.encode("utf-8", "surrogatepass")).root_node)
        return index


class _Index:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self.values: dict[Path, Span] = {}
        self.keys: dict[Path, Span] = {}
        self._lengths: dict[Path, int] = {}

    def read(self, document: Node) -> None:
        """Store the positions of all keys and values in the document."""
        for node in document.named_children:
            if node.type == "pair":
                self._pair(node, ())
            elif node.type in ("table", "table_array_element"):
                self._table(node)

    def _table(self, node: Node) -> None:
        header = next((child for child in node.named_children if child.type != "comment"), None)
        if header is None or header.type == "pair":
            return
        path = self._header_path(_names(header))
        if node.type == "table_array_element":
            index = self._lengths.get(path, 0)
            self._lengths[path] = index + 1
            # The list begins where its first table does.
            self.values.setdefault(path, self._span_of(header))
            path = (*path, index)
        self.values.setdefault(path, self._span_of(header))
        self.keys.setdefault(path, self._span_of(header))
        for child in node.named_children:
            if child.type == "pair":
                self._pair(child, path)

    def _header_path(self, names: list[str]) -> Path:
        """The path of a table header; for a list of tables, it leads to the list's last table."""
        path: Path = ()
        for position, name in enumerate(names):
            path = (*path, name)
            if position < len(names) - 1 and path in self._lengths:
                path = (*path, self._lengths[path] - 1)
        return path

    def _pair(self, node: Node, table: Path) -> None:
        parts = [child for child in node.named_children if child.type != "comment"]
        if len(parts) < 2:
            return
        key, value = parts[0], parts[-1]
        path = table
        for name in _names(key):
            path = (*path, name)
            self.keys.setdefault(path, self._span_of(key))
            self.values.setdefault(path, self._span_of(value))
        self._value(value, path)

    def _value(self, node: Node, path: Path) -> None:
        self.values[path] = self._span_of(node)
        if node.type == "inline_table":
            for child in node.named_children:
                if child.type == "pair":
                    self._pair(child, path)
        elif node.type == "array":
            items = [child for child in node.named_children if child.type != "comment"]
            for index, child in enumerate(items):
                self._value(child, (*path, index))

    def _span_of(self, node: Node) -> Span:
        start, end = node.start_point, node.end_point
        return Span(
            *self._line_and_column(start.row, start.column),
            *self._line_and_column(end.row, end.column),
        )

    def _line_and_column(self, row: int, byte_column: int) -> tuple[int, int]:
        line = self._lines[row] if row < len(self._lines) else ""
        if line.isascii():
            return row + 1, min(byte_column, len(line)) + 1
        before = line.encode("utf-8", "surrogatepass")[:byte_column]
        return row + 1, len(before.decode("utf-8", "ignore")) + 1


def _names(key: Node) -> list[str]:
    """The names in a key, which may be quoted, dotted or plain."""
    if key.type == "dotted_key":
        return [name for part in key.named_children for name in _names(part)]
    text = (key.text or b"").decode("utf-8", "replace")
    if key.type == "quoted_key":
        try:
            return list(tomli.loads(f"{text} = 0"))
        except tomli.TOMLDecodeError:
            return [text]
    return [text]
