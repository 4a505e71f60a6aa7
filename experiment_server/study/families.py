"""Families: the blocks that a block with factors stands for, or those of some of its levels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from experiment_server.study.diagnostics import shown
from experiment_server.study.model import Binding, Level, Names

Levels = Mapping[str, tuple[Level, ...]]

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def in_name(level: Level) -> str:
    """A level as it stands in a block's name."""
    return level if isinstance(level, str) else shown(level)


def filled(name: str, levels: Binding) -> str:
    """A family's name with these levels in their places; the places of others stay."""
    # Not format(): a level that looks like a placeholder stays what it is.
    parts = PLACEHOLDER.split(name)
    parts[1::2] = [
        in_name(levels[factor]) if factor in levels else f"{{{factor}}}" for factor in parts[1::2]
    ]
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Member:
    """A block of a family, with the levels that are left open by whoever named the family."""

    name: str
    open_levels: Binding


@dataclass(frozen=True, slots=True)
class Families(Mapping[str, Names]):
    """The members of each family, by its name as written.

    `levels` says for each member which level of which factor it is.
    """

    members: Mapping[str, Names] = field(default_factory=dict)
    levels: Mapping[str, Binding] = field(default_factory=dict)
    factors: Levels = field(default_factory=dict)

    def __getitem__(self, name: str) -> Names:
        return self.members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)

    def named(self, name: str) -> tuple[str, Binding] | None:
        """The family that a name means, and the levels that are written out in the name.

        `point-{size}` is written as it is, `point-{size}-far` with one of its levels; None for
        what is no family, a single member of one among it.
        """
        if name in self.members:
            return name, {}
        for family in self.members if "{" in name else ():
            written = self._written_out(family, name)
            if written is not None:
                return family, written
        return None

    def chosen(self, family: str, binding: Binding) -> list[Member]:
        """The members of a family that have these levels, in the order of their levels."""
        return [
            Member(name, {key: level for key, level in has.items() if key not in binding})
            for name, has in ((name, self.levels[name]) for name in self.members[family])
            if self.has_levels(name, binding)
        ]

    def has_levels(self, name: str, binding: Binding) -> bool:
        """Whether a block is of these levels, as far as it has factors."""
        return all(
            factor not in binding or is_same(level, binding[factor])
            for factor, level in self.levels.get(name, {}).items()
        )

    def _written_out(self, family: str, name: str) -> Binding | None:
        parts = PLACEHOLDER.split(family)
        pattern = "".join(
            f"({'|'.join(map(re.escape, self._readings(part)))})" if at % 2 else re.escape(part)
            for at, part in enumerate(parts)
        )
        match = re.fullmatch(pattern, name)
        if match is None:
            return None
        return {
            factor: level
            for factor, text in zip(parts[1::2], match.groups(), strict=True)
            for level in self.factors[factor]
            if in_name(level) == text
        }

    def _readings(self, factor: str) -> list[str]:
        """What can stand in a factor's place in a name."""
        return [f"{{{factor}}}", *map(in_name, self.factors.get(factor, ()))]


def is_same(one: Level, other: Level) -> bool:
    """Whether two levels are one: 1 is not true, and 1 is not 1.0."""
    return type(one) is type(other) and one == other
