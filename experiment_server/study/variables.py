"""Variables: named values, which replace texts of the form `$NAME`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from experiment_server.limits.study import EXPANDED_VALUES_MAX, STUDY_NESTING_MAX
from experiment_server.study.diagnostics import Findings, nearest
from experiment_server.study.model import FunctionCall, Rows
from experiment_server.study.positions import Path
from experiment_server.study.tables import TABLES_AT
from experiment_server.wire.values import JsonObject, JsonValue

VARIABLES: Path = ("configuration", "variables")

_VARIABLE = re.compile(r"\$([A-Za-z0-9_-]+)")


class _Extent(NamedTuple):
    """The number of values in a value, including itself, and their depth of nesting."""

    values: int
    depth: int


class Variables:
    """Replaces `$NAME` by values; variables may contain other variables.

    Each variable is filled in before the variables that contain it. So chains of variables may be
    long, and no variable becomes larger than an expansion may be. Tables from files are variables
    too; their rows are data, in which nothing is replaced.
    """

    def __init__(
        self,
        variables: Mapping[str, JsonValue],
        tables: Mapping[str, Rows | None],
        findings: Findings,
    ) -> None:
        self._variables = variables
        self._tables = tables
        self._findings = findings
        self._filled: JsonObject = {}
        self._extents: dict[str, _Extent] = {}
        self._used: set[str] = set()
        for name, rows in tables.items():
            self._take(name, rows)
        for name in self._in_order():
            at = (*VARIABLES, name)
            owner = f'variable "{name}"'
            self._filled[name] = self.fill(variables[name], owner, at)
            # The value of a variable that is too large is dropped, so there is only one error.
            if not self._fits(name, owner, at):
                self._filled[name] = None

    def fill(self, value: JsonValue, owner: str, at: Path) -> JsonValue:
        """A copy of `value` with its variables filled in; errors name `owner` and the path `at`."""
        if isinstance(value, str):
            return self._text(value, owner, at)
        if isinstance(value, list):
            return [self.fill(item, owner, (*at, place)) for place, item in enumerate(value)]
        if isinstance(value, dict):
            return {key: self.fill(item, owner, (*at, key)) for key, item in value.items()}
        return value

    def config(self, config: Mapping[str, JsonValue], owner: str, at: Path) -> JsonObject:
        """A block's config with its variables filled in; empty if it becomes too large."""
        extent = self._extent(config)
        if self._is_too_large(extent, owner, at):
            return {}
        filled: JsonObject = self.fill(config, owner, at)
        return filled

    def report_unused(self) -> None:
        """Warn about unused variables; call this after everything is filled in."""
        for names, what, at in (
            (self._variables, "variable", VARIABLES),
            (self._tables, "table", TABLES_AT),
        ):
            for name in names:
                if name not in self._used:
                    self._findings.warning(
                        "variable-unused",
                        f'{what} "{name}" is used nowhere',
                        f'write "${name}" where its value is meant, or remove it',
                        at=(*at, name),
                        key=True,
                    )

    def _take(self, name: str, rows: Rows | None) -> None:
        if name in self._variables:
            self._findings.error(
                "table-name",
                f'"{name}" is a table and a variable',
                f"${name} can only be one of them: give the other another name",
                at=(*TABLES_AT, name),
                key=True,
            )
        # A table with errors is treated like a call with errors: its users are not checked.
        self._filled[name] = _BROKEN if rows is None else rows
        self._extents[name] = _PLAIN if rows is None else _extent_of(rows)

    def _text(self, text: str, owner: str, at: Path) -> JsonValue:
        if text.startswith("$$"):
            return text[1:]
        if text[:1] == "$" and (text[1:] in self._variables or text[1:] in self._tables):
            self._used.add(text[1:])
            # A variable in a circle has no value, and already has an error.
            return self._filled.get(text[1:])
        match = _VARIABLE.fullmatch(text)
        if match:
            self._findings.error(
                "variable-unknown",
                f'{owner} uses the unknown variable "{text}"',
                nearest(text, [f"${name}" for name in (*self._variables, *self._tables)])
                or "define it under [configuration.variables], "
                f"or write $${match[1]} to mean the text {text}",
                at=at,
            )
        return text

    def _in_order(self) -> Iterator[str]:
        """The variables, each after the variables that it contains; circles are reported."""
        done: set[str] = set()
        for first in self._variables:
            if first in done:
                continue
            # The path to the current variable. Recursion would fail for deep chains.
            way = {first: self._inside(self._variables[first])}
            while way:
                name = next(reversed(way))
                inner = next((inner for inner in way[name] if inner not in done), None)
                if inner is None:
                    del way[name]
                    done.add(name)
                    yield name
                elif inner in way:
                    names = list(way)
                    self._report_circle(names[names.index(inner) :])
                else:
                    way[inner] = self._inside(self._variables[inner])

    def _report_circle(self, names: list[str]) -> None:
        self._findings.error(
            "variable-cycle",
            f"variables stand in each other in a circle: {circle_text(names)}",
            "give one of them a plain value",
            at=(*VARIABLES, min(names)),
        )

    def _inside(self, value: JsonValue) -> Iterator[str]:
        """The names of the variables in a value."""
        level = [value]
        while level:
            item = level.pop()
            if isinstance(item, str):
                if item[:1] == "$" and item[1:] in self._variables and item[1:2] != "$":
                    yield item[1:]
            elif isinstance(item, (dict, list)):
                level += item.values() if isinstance(item, dict) else item

    def _fits(self, name: str, owner: str, at: Path) -> bool:
        extent = self._extent(self._variables[name])
        too_large = self._is_too_large(extent, owner, at)
        self._extents[name] = _Extent(1, 1) if too_large else extent
        return not too_large

    def _is_too_large(self, extent: _Extent, owner: str, at: Path) -> bool:
        if extent.depth > STUDY_NESTING_MAX:
            self._findings.error(
                "nesting-too-deep",
                f"{owner}: with its variables put in, lists and tables are nested more than "
                f"{STUDY_NESTING_MAX} deep",
                at=at,
            )
        elif extent.values > EXPANDED_VALUES_MAX:
            self._findings.error(
                "study-too-large",
                f"{owner}: with its variables put in, it has more than "
                f"{EXPANDED_VALUES_MAX:,} values",
                at=at,
            )
        else:
            return False
        return True

    def _extent(self, value: JsonValue) -> _Extent:
        if isinstance(value, str):
            return self._extents.get(value[1:], _Extent(1, 1)) if value[:1] == "$" else _PLAIN
        if isinstance(value, (dict, list)):
            inside = [
                self._extent(item)
                for item in (value.values() if isinstance(value, dict) else value)
            ]
            return _Extent(
                1 + sum(extent.values for extent in inside),
                1 + max((extent.depth for extent in inside), default=0),
            )
        return _PLAIN


def _extent_of(value: JsonValue) -> _Extent:
    """The extent of data that contains no variables."""
    if not isinstance(value, (dict, list)):
        return _PLAIN
    inside = [_extent_of(item) for item in (value.values() if isinstance(value, dict) else value)]
    return _Extent(
        1 + sum(extent.values for extent in inside),
        1 + max((extent.depth for extent in inside), default=0),
    )


_PLAIN = _Extent(1, 1)
_BROKEN = FunctionCall("rows", [], None, False, "")


def circle_text(names: list[str]) -> str:
    """A circle of names as text; it is the same for each name at which the circle is entered."""
    start = names.index(min(names))
    turned = [*names[start:], *names[:start]]
    return " -> ".join([*turned, turned[0]])
