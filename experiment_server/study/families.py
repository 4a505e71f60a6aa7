"""Families: the blocks that replace one factorial block, and their selection by levels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from experiment_server.study.diagnostics import shown
from experiment_server.study.model import Binding, Level, Names

Levels = Mapping[str, tuple[Level, ...]]

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def level_text(level: Level) -> str:
    """The text of a level in a block's name."""
    return level if isinstance(level, str) else shown(level)


def filled(name: str, levels: Binding) -> str:
    """A family's name with these levels filled in; placeholders of other factors remain."""
    # str.format() would also replace a placeholder inside a level.
    parts = PLACEHOLDER.split(name)
    parts[1::2] = [
        level_text(levels[factor]) if factor in levels else f"{{{factor}}}"
        for factor in parts[1::2]
    ]
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class FamilyMember:
    """A block of a family, with its levels of the factors that were not selected."""

    name: str
    open_levels: Binding


@dataclass(frozen=True, slots=True)
class Families(Mapping[str, Names]):
    """The members of each family, by its name as written.

    `levels` contains each member's level of each factor.
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
        """The family that a name refers to, and the levels that the name contains.

        For example, `point-{size}-far` is the family `point-{size}-{distance}` with the level
        `far`. None if the name is not that of a family; a single member is not a family.
        """
        if name in self.members:
            return name, {}
        for family in self.members if "{" in name else ():
            written = self._written_out(family, name)
            if written is not None:
                return family, written
        return None

    def chosen(self, family: str, binding: Binding) -> list[FamilyMember]:
        """The members of a family that have these levels, in the order of their levels."""
        return [
            FamilyMember(name, {key: level for key, level in has.items() if key not in binding})
            for name, has in ((name, self.levels[name]) for name in self.members[family])
            if self.has_levels(name, binding)
        ]

    def has_levels(self, name: str, binding: Binding) -> bool:
        """Whether a block has these levels of those factors that it has."""
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
            if level_text(level) == text
        }

    def _readings(self, factor: str) -> list[str]:
        """The texts that can replace a factor's placeholder in a name."""
        return [f"{{{factor}}}", *map(level_text, self.factors.get(factor, ()))]


def is_same(one: Level, other: Level) -> bool:
    """Whether two levels have the same type and value: 1 differs from true and from 1.0."""
    return type(one) is type(other) and one == other
