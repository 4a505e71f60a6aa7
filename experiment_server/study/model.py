"""The types of a checked study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple, TypeAlias

from experiment_server.study.positions import Path
from experiment_server.study.value_bounds import ValueBounds
from experiment_server.wire.values import JsonObject, JsonValue

Config = JsonObject
"""A block's settings in JSON types: text, numbers, booleans, lists and tables."""

TemplateValue: TypeAlias = JsonValue
"""A JSON value in which each call of a function is a `FunctionCall`."""

Names = tuple[str, ...]

Level = str | int | float | bool
Binding = Mapping[str, Level]
"""One level for each of some factors."""

RESERVED_KEYS = ("participant_index", "name", "block_id")
"""The keys that every expanded config has; their values in the file are replaced."""


PLAIN = frozenset({str, int, float, bool, type(None)})
"""The types of values that an expansion may share with its study."""


class Strategy(str, Enum):
    """The rule that orders a list of blocks or groups for a participant."""

    AS_IS = "as_is"
    RANDOMIZE = "randomize"
    LATIN_SQUARE = "latin_square"
    WILLIAMS = "williams"  # the balanced square under its other name
    RANDOM_LATIN_SQUARE = "random_latin_square"
    PERMUTATIONS = "permutations"
    LATIN_SQUARE_0_3 = "latin_square_0_3"


class Rows(list[JsonObject]):
    """The rows of a table. They are data, so variables and calls in them are not replaced."""

    name = ""
    """The name of the table in the study."""


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of a function, drawn again for each participant and each occurrence of its block.

    `bound` contains the checked arguments by name; it is None if an argument is itself a call,
    because the arguments are then bound at each draw. `possible` contains the bounds of the drawn
    value; it is None if the arguments have errors. With `unique`, calls with the same `group` never
    repeat a value for one participant. `at` is the path of the call in the file.
    """

    function_name: str
    args: TemplateValue
    bound: Mapping[str, TemplateValue] | None
    unique: bool
    group: str
    at: Path = ()
    possible: ValueBounds | None = None


@dataclass(frozen=True, slots=True)
class BlockTemplate:
    """A block as written, with inheritance and variables already applied to its config.

    `condition` is false for practice, instructions, questionnaires and
    breaks, which the design report leaves out. `levels` has the block's level of each factor.
    `values` is the approximate number of values in its expanded config.
    """

    name: str
    extends: str | None
    config: Config
    condition: bool = True
    levels: Binding = field(default_factory=dict)
    values: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """A group of an order tree: blocks and groups that a strategy orders.

    The blocks of an item stay together. With `pick`, only that number of first items remains after
    ordering. `name` and `labels` are the names of the group and of its items in reports. `written`
    is the path of the group in the file; all groups that `each` creates share one path.
    """

    items: tuple[str | Group, ...]
    strategy: Strategy = Strategy.AS_IS
    pick: int | None = None
    name: str = ""
    labels: Names = ()
    written: Path = ()

    def names(self) -> Iterator[str]:
        """The names of all blocks in the group."""
        for item in self.items:
            if isinstance(item, str):
                yield item
            else:
                yield from item.names()


def without(groups: tuple[Names, ...], left_out: frozenset[str]) -> tuple[Names, ...]:
    """Groups without some blocks; groups that become empty are removed."""
    if not left_out:
        return groups
    kept = (tuple(name for name in group if name not in left_out) for group in groups)
    return tuple(group for group in kept if group)


@dataclass(frozen=True, slots=True)
class Order:
    """The groups of blocks: one row for all participants, or one row per key of an order table.

    A flat list is stored as groups of one block each, because groups_strategy orders its blocks.
    An order tree is stored in `trees` instead: one tree for each between-subjects cell, or a
    single one.
    """

    rows: tuple[tuple[Names, ...], ...]
    groups_strategy: Strategy = Strategy.AS_IS
    within_groups_strategy: Strategy = Strategy.AS_IS
    trees: tuple[Group, ...] = ()

    def names(self) -> set[str]:
        """The names of all blocks in the order."""
        listed = {name for groups in self.rows for group in groups for name in group}
        return listed.union(*(tree.names() for tree in self.trees))

    def without(self, left_out: frozenset[str]) -> Order:
        """The order without some blocks; groups that become empty are removed."""
        if not left_out:
            return self
        return replace(self, rows=tuple(without(groups, left_out) for groups in self.rows))


@dataclass(frozen=True, slots=True)
class EndBlocks:
    """Blocks before the first group (init) or after the last one (final)."""

    rows: tuple[Names, ...] = ((),)
    strategy: Strategy = Strategy.AS_IS

    def row(self, participant_index: int) -> Names:
        """The blocks for participant 1, 2, ...; after its last key, a table repeats."""
        return self.rows[(participant_index - 1) % len(self.rows)]


class BetweenStrategy(str, Enum):
    """The rule that assigns levels of between-subjects factors to participants."""

    CYCLE = "cycle"
    BLOCK_RANDOMIZE = "block_randomize"


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of levels of the between-subjects factors.

    `left_out` contains the names of the blocks that participants in this cell do not get.
    """

    levels: Binding
    left_out: frozenset[str]


NO_CELL = Cell({}, frozenset())
"""The single cell of a design without between-subjects factors."""


@dataclass(frozen=True, slots=True)
class Between:
    """The between-subjects part of a design. Each participant belongs to one of the cells."""

    cells: tuple[Cell, ...]
    strategy: BetweenStrategy = BetweenStrategy.CYCLE


@dataclass(frozen=True, eq=False)
class Study:
    """A study without errors. `digest` is that of its `StudySource`."""

    digest: str
    blocks: Mapping[str, BlockTemplate]
    order: Order
    init_blocks: EndBlocks = EndBlocks()
    final_blocks: EndBlocks = EndBlocks()
    random_seed: int = 0
    between: Between | None = None

    @property
    def ends(self) -> tuple[EndBlocks, EndBlocks]:
        """The init blocks and the final blocks."""
        return self.init_blocks, self.final_blocks


class Block(NamedTuple):
    """One block of one participant. `config` includes participant_index, name and block_id."""

    name: str
    extends: str | None
    config: Config

    def as_dict(self) -> JsonObject:
        """`{"name", "extends"?, "config"}`: the form of section 7 of the language."""
        parent = {} if self.extends is None else {"extends": self.extends}
        return {"name": self.name, **parent, "config": self.config}
