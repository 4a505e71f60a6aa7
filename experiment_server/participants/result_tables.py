"""Records of results in the context of their recording, and as the rows of a table."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate, count
from operator import attrgetter
from typing import NamedTuple, TypeAlias

from experiment_server.limits.results import RESULT_COLUMNS_MAX
from experiment_server.participants.results import Record
from experiment_server.study.model import Binding, Study
from experiment_server.wire.encoding import from_json
from experiment_server.wire.events import Moved
from experiment_server.wire.results import StoredRecord
from experiment_server.wire.tables import Layout
from experiment_server.wire.values import JsonObject, JsonValue

_BEFORE_DATA = (
    "participant_index", "session", "row", "block_id", "block_name", "visit", "study_version",
)  # fmt: skip
_MORE_DATA = "more_data"
_AFTER_DATA = ("record_id", "recorded_at", "clock_offset_ms", "received_at")
_CONTEXT = (*_BEFORE_DATA, *_AFTER_DATA)
_context_of = attrgetter(*_CONTEXT)
# Psych-DS wants a column of this name to have another value in each row.
_ROW_ID = "row_id"
_TAKEN = frozenset({*_BEFORE_DATA, _MORE_DATA, *_AFTER_DATA, _ROW_ID})

Shape: TypeAlias = tuple["str | tuple[str, Shape]", ...]
"""The keys of an object; the key of an object in it is with the shape of that."""


class Stay(NamedTuple):
    """A participant's stay in a block. `revision` is the one with which it began."""

    revision: int
    block_id: int
    name: str
    visit: int
    version: int


class Stays:
    """The stays of one participant, in blocks and outside, by the revisions of their moves."""

    def __init__(self, moves: Sequence[Moved]) -> None:
        self._revisions = [move.revision for move in moves]
        visits = accumulate(int(move.in_block) for move in moves)
        self._stays = [
            Stay(
                move.revision,
                move.destination.block_id,
                move.destination.block_name,
                visit,
                move.study_version,
            )
            if move.in_block
            else None
            for move, visit in zip(moves, visits, strict=True)
        ]

    def at(self, revision: int, block_id: int) -> Stay | None:
        """The stay in a block that a revision falls into, None if it was another block."""
        place = bisect_right(self._revisions, revision) - 1
        stay = self._stays[place] if place >= 0 else None
        return stay if stay and stay.block_id == block_id else None


@dataclass(frozen=True, slots=True)
class Participant:
    """What is known of a participant whose records are read."""

    index: int
    session: str
    row: int
    stays: Stays


def in_context(
    participant: Participant,
    record: Record,
    received_at: str,
    levels_of: Callable[[Stay], Binding],
) -> StoredRecord:
    """A record with the context that the log has; `levels_of` gives the levels of a block."""
    stay = participant.stays.at(record.revision, record.block_id)
    return StoredRecord(
        participant_index=participant.index,
        session=participant.session,
        row=participant.row,
        block_id=record.block_id,
        block_name=stay.name if stay else None,
        visit=stay.visit if stay else None,
        study_version=stay.version if stay else None,
        factors=dict(levels_of(stay)) if stay else {},
        data=from_json(record.data, dict),
        record_id=record.record_id,
        recorded_at=record.recorded_at,
        clock_offset_ms=record.clock_offset_ms,
        received_at=received_at,
    )


def levels_in(study: Study | None, block_name: str) -> Binding:
    """A block's level of each factor; none for a block or a study that is not known."""
    block = study.blocks.get(block_name) if study else None
    return block.levels if block else {}


class Row(NamedTuple):
    """The values of a record: those of the context, the factors, and the data by their names.

    `more` are the data beyond the largest number of columns.
    """

    context: tuple[JsonValue, ...]
    factors: JsonObject
    data: JsonObject
    more: JsonObject | None

    def named(self) -> JsonObject:
        """All values but the data, by their columns."""
        context = dict(zip(_CONTEXT, self.context, strict=True))
        return {**self.factors, **context, _MORE_DATA: self.more}


class Columns:
    """The columns of a table: those of the context, the factors, and the keys of all data.

    A key of the data with the name of a factor is the column `data.KEY` for the whole table, also
    for blocks without this factor. The data have at most RESULT_COLUMNS_MAX columns, in the order
    in which their keys are first met. Further keys are together in one more column, `more_data`,
    as JSON.
    """

    def __init__(self) -> None:
        self._factors: dict[str, None] = {}
        self._data: dict[str, None] = {}
        self._has_more = False

    def take(self, records: Iterable[StoredRecord]) -> None:
        """Take the next records of the table."""
        for record in records:
            self.add(record)

    def add(self, record: StoredRecord) -> Row:
        """Take the next record of the table; returns its values."""
        self._factors.update(dict.fromkeys(_factor_cells(record)))
        data = _data_cells(record.data)
        if not data.keys() <= self._data.keys():
            self._add_data(data)
        return self._row(record, data)

    @property
    def factors(self) -> Collection[str]:
        """The columns that are factors."""
        return self._factors.keys()

    def layout(self, *, formula_safe: bool = False) -> Layout:
        """The columns, and the cells of each record that was taken."""
        cells_of = self.cells_of_rows()
        data = self.data.values()
        more = (_MORE_DATA,) if self._has_more else ()
        columns = (*_BEFORE_DATA, *self._factors, *data, *more, *_AFTER_DATA)

        def cells(record: StoredRecord) -> JsonObject:
            return cells_of(self._row(record, _data_cells(record.data)))

        return Layout(columns, cells, formula_safe)

    def cells_of_rows(self) -> Callable[[Row], JsonObject]:
        """A function that returns the cells of a row by column, some of which may have none."""
        return partial(_cells, self.data)

    def _row(self, record: StoredRecord, data: JsonObject) -> Row:
        more = None
        if not data.keys() <= self._data.keys():
            more = {name: value for name, value in data.items() if name not in self._data}
            data = {name: value for name, value in data.items() if name in self._data}
        return Row(_context_of(record), _factor_cells(record), data, more or None)

    def _add_data(self, names: Iterable[str]) -> None:
        for name in names:
            if len(self._data) < RESULT_COLUMNS_MAX:
                self._data[name] = None
            elif name not in self._data:
                self._has_more = True

    @property
    def data(self) -> Mapping[str, str]:
        """The columns of the data by the names of the data: none of them is that of a factor."""
        used = {*self._data, *self._factors}
        numbers: dict[str, Iterator[int]] = {}
        columns = {}
        for name in self._data:
            columns[name] = name
            if name in self._factors:
                columns[name] = _unused(f"data.{name}", used, numbers)
                used.add(columns[name])
        return columns


def _cells(columns: Mapping[str, str], row: Row) -> JsonObject:
    cells = row.named()
    for name, value in row.data.items():
        cells[columns[name]] = value
    return cells


def _factor_cells(record: StoredRecord) -> JsonObject:
    """The levels by columns of their own: a factor with the name of another column has a prefix."""
    if _TAKEN.isdisjoint(record.factors):
        return record.factors
    return {
        f"factor.{name}" if name in _TAKEN else name: level
        for name, level in record.factors.items()
    }


def _data_cells(data: JsonObject) -> JsonObject:
    """The data by names of their own, none of which is a column of the context."""
    if _is_plain(data):
        return data
    values: list[JsonValue] = []
    shape = _take_apart(data, values)
    return dict(zip(_names(shape), values, strict=True))


def _take_apart(data: JsonObject, values: list[JsonValue]) -> Shape:
    """The shape of an object; appends its values, and those of the objects in it."""
    shape: list[str | tuple[str, Shape]] = []
    for key, value in data.items():
        if isinstance(value, dict) and value:
            shape.append((key, _take_apart(value, values)))
        else:
            shape.append(key)
            values.append(value)
    return tuple(shape)


# The records of a table have few shapes. A shape has at most some thousand keys.
@lru_cache(maxsize=64)
def _names(shape: Shape) -> list[str]:
    """The names of the cells of all values of a shape, in their order."""
    names: dict[str, None] = {}
    # Where the search for a number goes on: a record can have thousands of keys that look alike.
    numbers: dict[str, Iterator[int]] = {}
    for key in _dotted(shape, ""):
        names[_unused(f"data.{key}" if key in _TAKEN else key, names, numbers)] = None
    return list(names)


def _is_plain(data: JsonObject) -> bool:
    """Whether the keys of the data are names of cells as they are, as they nearly always are."""
    return data.keys().isdisjoint(_TAKEN) and not any(
        isinstance(value, dict) for value in data.values()
    )


def _unused(name: str, used: Container[str], numbers: dict[str, Iterator[int]]) -> str:
    """A name, with a number after it if it is used: `{"a.b": 1, "a": {"b": 2}}` has a.b twice."""
    if name not in used:
        return name
    following = numbers.setdefault(name, count(2))
    return next(new for number in following if (new := f"{name}.{number}") not in used)


def _dotted(shape: Shape, prefix: str) -> Iterator[str]:
    """The keys of a shape, those of objects in it dotted: `{"a": {"b": 1}}` has a.b."""
    for key in shape:
        if isinstance(key, tuple):
            yield from _dotted(key[1], f"{prefix}{key[0]}.")
        else:
            yield f"{prefix}{key}"
