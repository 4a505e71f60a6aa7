"""The types that a study file becomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple, TypeAlias

from experiment_server.study.positions import Path
from experiment_server.study.value_bounds import ValueBounds
from experiment_server.wire.values import JsonObject, JsonValue

Config = JsonObject
"""A block's settings as JSON knows them: text, numbers, booleans, lists and tables."""

TemplateValue: TypeAlias = JsonValue
"""A JSON value in which each call of a function is a `FunctionCall`."""

Names = tuple[str, ...]

Level = str | int | float | bool
Binding = Mapping[str, Level]
"""One level for each of some factors."""

RESERVED_KEYS = ("participant_index", "name", "block_id")
"""The keys that every expanded config gets, whatever the file says."""


PLAIN = frozenset({str, int, float, bool, type(None)})
"""The types of values that an expansion may share with its study."""


class Strategy(str, Enum):
    """How a list of blocks or of groups is put into an order for a participant."""

    AS_IS = "as_is"
    RANDOMIZE = "randomize"
    LATIN_SQUARE = "latin_square"
    WILLIAMS = "williams"  # the balanced square under its other name
    RANDOM_LATIN_SQUARE = "random_latin_square"
    PERMUTATIONS = "permutations"
    LATIN_SQUARE_0_3 = "latin_square_0_3"


class Rows(list[JsonObject]):
    """The rows of a table, which are data: no variables and no calls are looked for in them."""

    name = ""
    """What the study calls the table."""


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A value that is drawn anew for each participant and each occurrence of its block.

    `bound` holds the checked arguments by name; it is None where an argument is itself a call, so
    that they can only be bound when drawn. `possible` is what can be drawn; it is None where the
    arguments are broken. `group` names the calls that share their values when
    `unique` is set: equal groups never repeat a value for one participant. `at` is where the file
    has it.
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
    `values` is about how many values its config has once it is expanded.
    """

    name: str
    extends: str | None
    config: Config
    condition: bool = True
    levels: Binding = field(default_factory=dict)
    values: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """A group of an order tree: blocks and groups that a strategy puts into an order.

    What is inside an item stays together. `pick` takes only the first items after ordering.
    `name` is what reports call the group, `labels` what they call its items. `written` is where
    the file has the group: those that `each` makes of it share the place.
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
    """Groups without some blocks, and without the groups that have no other."""
    if not left_out:
        return groups
    kept = (tuple(name for name in group if name not in left_out) for group in groups)
    return tuple(group for group in kept if group)


@dataclass(frozen=True, slots=True)
class Order:
    """The groups of blocks: one row for everybody, or one row per key of an order table.

    A flat list is kept as groups of one block each: putting those groups in order is what
    groups_strategy means for it. An order tree is kept in `trees` instead, as it is for each of
    the between-subjects cells, or for everybody.
    """

    rows: tuple[tuple[Names, ...], ...]
    groups_strategy: Strategy = Strategy.AS_IS
    within_groups_strategy: Strategy = Strategy.AS_IS
    trees: tuple[Group, ...] = ()

    def names(self) -> set[str]:
        """The names of all blocks that anybody meets in the order."""
        listed = {name for groups in self.rows for group in groups for name in group}
        return listed.union(*(tree.names() for tree in self.trees))

    def without(self, left_out: frozenset[str]) -> Order:
        """The order without some blocks, and without the groups that have no other."""
        if not left_out:
            return self
        return replace(self, rows=tuple(without(groups, left_out) for groups in self.rows))


@dataclass(frozen=True, slots=True)
class EndBlocks:
    """Blocks before the first group (init) or after the last one (final)."""

    rows: tuple[Names, ...] = ((),)
    strategy: Strategy = Strategy.AS_IS

    def row(self, participant_index: int) -> Names:
        """The blocks for participant 1, 2, ...; a table starts over when its keys are used up."""
        return self.rows[(participant_index - 1) % len(self.rows)]


class BetweenStrategy(str, Enum):
    """How the levels of between-subjects factors are given out."""

    CYCLE = "cycle"
    BLOCK_RANDOMIZE = "block_randomize"


@dataclass(frozen=True, slots=True)
class Cell:
    """One combination of levels of the between-subjects factors.

    `left_out` names the blocks that a participant in this cell does not meet.
    """

    levels: Binding
    left_out: frozenset[str]


NO_CELL = Cell({}, frozenset())
"""Where everybody is in a design without between-subjects factors."""


@dataclass(frozen=True, slots=True)
class Between:
    """The between-subjects part of a design: every participant is in one of the cells."""

    cells: tuple[Cell, ...]
    strategy: BetweenStrategy = BetweenStrategy.CYCLE


@dataclass(frozen=True, eq=False)
class Study:
    """A study without errors, ready to be expanded. `digest` is the SHA-256 of its text."""

    digest: str
    blocks: Mapping[str, BlockTemplate]
    order: Order
    init_blocks: EndBlocks = EndBlocks()
    final_blocks: EndBlocks = EndBlocks()
    random_seed: int = 0
    between: Between | None = None

    @property
    def ends(self) -> tuple[EndBlocks, EndBlocks]:
        """The blocks around the order: init and final ones."""
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
