"""The columns of exported tables: their types, and what is counted of their values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import UnionType
from typing import Annotated, NamedTuple, Union, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct

from experiment_server.limits.results import LEVEL_MAX_LENGTH, LEVELS_MAX
from experiment_server.wire.values import JsonObject, JsonValue


class Kind(str, Enum):
    """The type of a column."""

    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    STRING = "string"
    JSON = "json"
    """Values of several types, lists and objects: JSON, but for texts, which are as they are."""


class Column(NamedTuple):
    """A column of a table: where its values come from, their type, and what they mean."""

    name: str
    source: str
    kind: Kind
    description: str


OF_STUDY = "the study"
OF_SERVER = "the server"
OF_APP = "the app"
"""Where columns come from."""

_OF_PYTHON = {int: Kind.INTEGER, float: Kind.NUMBER, bool: Kind.BOOLEAN, str: Kind.STRING}


def declared_columns(struct: type[Struct], source: str) -> dict[str, Column]:
    """The columns that a struct declares, by name, with the descriptions of its members."""
    hints = get_type_hints(struct, include_extras=True)
    return {
        name: Column(name, source, _kind(hints[name]), _description(hints[name]))
        for name in struct.__struct_fields__
    }


@dataclass(slots=True)
class Facts:
    """What is counted of the values of a column: how many there are, their types, range, levels.

    `levels` are the texts, None if there are more than LEVELS_MAX, or longer ones.
    """

    count: int = 0
    types: set[type] = field(default_factory=set)
    smallest: float | None = None
    largest: float | None = None
    levels: set[str] | None = field(default_factory=set)

    def take(self, value: JsonValue) -> None:
        """Count a value, which is not None."""
        self.count += 1
        kind = type(value)
        self.types.add(kind)
        if kind is str:
            if self.levels is not None:
                self._take_level(self.levels, value)
        elif kind is int or kind is float:
            if self.smallest is None or value < self.smallest:
                self.smallest = value
            if self.largest is None or value > self.largest:
                self.largest = value

    def _take_level(self, levels: set[str], text: str) -> None:
        if text not in levels:
            if len(levels) >= LEVELS_MAX or len(text) > LEVEL_MAX_LENGTH:
                self.levels = None
            else:
                levels.add(text)

    @property
    def kind(self) -> Kind:
        """The type of a column with these values."""
        if not self.types:
            return Kind.STRING
        if self.types == {int, float}:
            return Kind.NUMBER
        if len(self.types) > 1:
            return Kind.JSON
        return _OF_PYTHON.get(next(iter(self.types)), Kind.JSON)


class TableFacts:
    """The facts of all columns of a table, and the number of its rows."""

    def __init__(self) -> None:
        self.rows = 0
        self._columns: defaultdict[str, Facts] = defaultdict(Facts)

    def take(self, cells: Mapping[str, JsonValue]) -> None:
        """Count the cells of a row."""
        self.rows += 1
        for name, value in cells.items():
            if value is not None:
                self._columns[name].take(value)

    def of(self, name: str) -> Facts:
        """The facts of a column."""
        return self._columns.get(name) or Facts()

    def include(self, others: TableFacts, columns: Mapping[str, str]) -> None:
        """Include the facts of others under the names that their columns have here."""
        for name, column in columns.items():
            self._columns[column] = others.of(name)

    def counted(self, rows: Iterable[JsonObject]) -> Iterator[JsonObject]:
        """The same rows, each counted as it is read."""
        for cells in rows:
            self.take(cells)
            yield cells


def _kind(hint: object) -> Kind:
    found = _plain(hint)
    if found is str and any("date-time" in str(meta) for meta in _metas(hint)):
        return Kind.TIMESTAMP
    return _OF_PYTHON.get(found, Kind.JSON) if isinstance(found, type) else Kind.JSON


def _plain(hint: object) -> object:
    """The type in a hint, without its annotations, and without None."""
    if get_origin(hint) is Annotated:
        return _plain(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return next(_plain(part) for part in get_args(hint) if part is not type(None))
    return get_origin(hint) or hint


def _metas(hint: object) -> Iterator[Meta]:
    """The annotations of a hint, from the outermost one."""
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        yield from (note for note in notes if isinstance(note, Meta))
        yield from _metas(inner)
    elif get_origin(hint) in (Union, UnionType):
        for part in get_args(hint):
            yield from _metas(part)


def _description(hint: object) -> str:
    return next((meta.description for meta in _metas(hint) if meta.description), "")
