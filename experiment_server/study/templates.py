"""Blocks as written become templates: inheritance merged, variables put in, calls recognised."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from experiment_server.study.arguments import ArgumentsInvalid
from experiment_server.study.diagnostics import Findings, nearest, shown
from experiment_server.study.functions import FUNCTIONS
from experiment_server.study.keys import CALL
from experiment_server.study.model import PLAIN, BlockTemplate, Config, FunctionCall, Names
from experiment_server.study.positions import Path

VARIABLES: Path = ("configuration", "variables")

_VARIABLE = re.compile(r"\$([A-Za-z0-9_-]+)")


@dataclass(frozen=True, slots=True)
class RawBlock:
    """A block as the file has it."""

    name: str
    extends: str | None
    config: Config
    at: Path
    """Where in the file the block stands."""
    factors: Names = ()

    @property
    def owner(self) -> str:
        """What messages call it."""
        return f'block "{self.name}"'


def build_templates(
    raw_blocks: Mapping[str, RawBlock], variables: Mapping[str, Any], findings: Findings
) -> dict[str, BlockTemplate]:
    """A template for each block, in file order; problems go into `findings`.

    Variables are put in before inheritance is merged, as in release 0.3: a table that stands for
    a variable merges like one that was written out.
    """
    values = _Variables(variables, findings)
    values.check_all()
    filled = {
        raw.name: replace(raw, config=values.fill(raw.config, raw.owner, (*raw.at, "config")))
        for raw in raw_blocks.values()
    }
    values.report_unused()
    calls = _Calls(filled, findings)
    return {
        raw.name: _template(
            raw,
            calls.recognise(_inherit(raw, filled, findings), raw.owner, (*raw.at, "config")),
        )
        for raw in filled.values()
    }


def _template(raw: RawBlock, config: Config) -> BlockTemplate:
    deep = tuple(key for key, value in config.items() if type(value) not in PLAIN)
    return BlockTemplate(raw.name, raw.extends, config, deep)


def merge(child: Mapping[str, Any], parent: Mapping[str, Any]) -> Config:
    """The child's keys, then those only the parent has; tables on both sides merge likewise."""
    merged = {
        key: merge(value, parent[key])
        if isinstance(value, dict) and isinstance(parent.get(key), dict)
        else value
        for key, value in child.items()
    }
    return merged | {key: value for key, value in parent.items() if key not in child}


def _inherit(raw: RawBlock, raw_blocks: Mapping[str, RawBlock], findings: Findings) -> Config:
    path = [raw.name]
    ancestor = raw
    while ancestor.extends is not None and ancestor.extends in raw_blocks:
        if ancestor.extends in path:
            findings.warning(
                "extends-cycle",
                "these blocks extend each other in a circle: "
                + _ring(path[path.index(ancestor.extends) :]),
                "each takes the settings along the circle once; remove one of the extends",
                at=(*_first(path[path.index(ancestor.extends) :], raw_blocks).at, "extends"),
            )
            break
        ancestor = raw_blocks[ancestor.extends]
        path.append(ancestor.name)
    # From the eldest down: what a parent has overwritten is not there for its child to merge with.
    return reduce(lambda elder, name: merge(raw_blocks[name].config, elder), reversed(path), {})


def _ring(names: list[str]) -> str:
    """A circle of names in one wording, from whichever of them it was entered."""
    start = names.index(min(names))
    turned = [*names[start:], *names[:start]]
    return " -> ".join([*turned, turned[0]])


def _first(names: list[str], raw_blocks: Mapping[str, RawBlock]) -> RawBlock:
    """The block of a circle that its ring begins with."""
    return raw_blocks[min(names)]


class _Variables:
    """Puts values in the place of `$NAME`; variables may stand in variables."""

    def __init__(self, variables: Mapping[str, Any], findings: Findings) -> None:
        self._variables = variables
        self._findings = findings
        self._filled: dict[str, Any] = {}
        self._used: set[str] = set()
        self._open: list[str] = []

    def check_all(self) -> None:
        """Find the problems of all variables, used or not."""
        for name in self._variables:
            self._value(name)

    def report_unused(self) -> None:
        """Warn of variables that stand nowhere; to be called after everything was filled."""
        for name in self._variables:
            if name not in self._used:
                self._findings.warning(
                    "variable-unused",
                    f'variable "{name}" is used nowhere',
                    f'write "${name}" where its value is meant, or remove it',
                    at=(*VARIABLES, name),
                    key=True,
                )

    def fill(self, value: Any, owner: str, at: Path) -> Any:
        """A copy of `value`, which `owner` wrote at a place, with its variables put in."""
        if isinstance(value, str):
            return self._text(value, owner, at)
        if isinstance(value, list):
            return [self.fill(item, owner, (*at, place)) for place, item in enumerate(value)]
        if isinstance(value, dict):
            return {key: self.fill(item, owner, (*at, key)) for key, item in value.items()}
        return value

    def _text(self, text: str, owner: str, at: Path) -> Any:
        if text.startswith("$$"):
            return text[1:]
        if text[:1] == "$" and text[1:] in self._variables:
            self._used.add(text[1:])
            return self._value(text[1:])
        match = _VARIABLE.fullmatch(text)
        if match:
            self._findings.error(
                "variable-unknown",
                f'{owner} uses the unknown variable "{text}"',
                nearest(text, [f"${name}" for name in self._variables])
                or "define it under [configuration.variables], "
                f"or write $${match[1]} to mean the text {text}",
                at=at,
            )
        return text

    def _value(self, name: str) -> Any:
        if name in self._filled:
            return self._filled[name]
        if name in self._open:
            circle = _ring(self._open[self._open.index(name) :])
            self._findings.error(
                "variable-cycle",
                f"variables stand in each other in a circle: {circle}",
                "give one of them a plain value",
                at=(*VARIABLES, min(self._open[self._open.index(name) :])),
            )
            return None
        self._open.append(name)
        self._filled[name] = self.fill(
            self._variables[name], f'variable "{name}"', (*VARIABLES, name)
        )
        self._open.pop()
        return self._filled[name]


class _Calls:
    """Recognises function calls in merged configs."""

    def __init__(self, blocks: Mapping[str, RawBlock], findings: Findings) -> None:
        self._findings = findings
        self._origins: dict[int, tuple[str, Path]] = {}
        self._written: dict[str, str] = {}
        for raw in blocks.values():
            self._claim(raw.config, raw.owner, (*raw.at, "config"))

    def _claim(self, value: Any, owner: str, at: Path) -> None:
        """Remember who wrote a value, so that an heir is not blamed for its parent's mistake."""
        if isinstance(value, (dict, list)):
            self._origins.setdefault(id(value), (owner, at))
            for key, item in _items(value):
                self._claim(item, owner, (*at, key))

    def recognise(self, value: Any, owner: str, at: Path) -> Any:
        """A copy of `value` with a FunctionCall in the place of each table that is one."""
        owner, at = self._origins.get(id(value), (owner, at))
        if isinstance(value, list):
            return [self.recognise(item, owner, (*at, key)) for key, item in _items(value)]
        if not isinstance(value, dict):
            return value
        if "function_name" in value:
            unknown = [key for key in value if key not in CALL]
            if not unknown:
                return self._call(value, owner, at)
            self._findings.warning(
                "call-not-recognised",
                f'{owner}: a table with function_name also has the key "{unknown[0]}", '
                "so it is taken as plain data and nothing is called",
                nearest(unknown[0], CALL) or f"a function call has only {', '.join(CALL)}",
                at=(*at, unknown[0]),
                key=True,
            )
        return {key: self.recognise(item, owner, (*at, key)) for key, item in value.items()}

    def _call(self, table: Mapping[str, Any], owner: str, at: Path) -> Any:
        name = table["function_name"]
        if name not in FUNCTIONS if isinstance(name, str) else True:
            self._findings.error(
                "function-unknown",
                f"{owner} calls the unknown function {shown(name)}",
                (isinstance(name, str) and nearest(name, FUNCTIONS))
                or f"the known functions are {', '.join(FUNCTIONS)}",
                at=(*at, "function_name"),
            )
            return None
        args = self.recognise(table.get("args", []), owner, (*at, "args"))
        bound = None
        if not any(isinstance(part, FunctionCall) for part in _parts(args)):
            try:
                bound = FUNCTIONS[name].bind(args)
            except ArgumentsInvalid as problem:
                self._findings.error(
                    "function-arguments",
                    f"{owner}: {name} {problem}",
                    f"it is called as {FUNCTIONS[name].signature}",
                    at=(*at, "args"),
                )
        group = json.dumps([name, args], sort_keys=True, default=repr)
        if "id" in table:
            group = self._group_of_id(table["id"], written=group, owner=owner, at=at)
        unique = self._unique(table.get("params", {}), owner, (*at, "params"))
        if unique and FUNCTIONS[name].choose is None:
            can = (function.name for function in FUNCTIONS.values() if function.choose)
            self._findings.error(
                "function-params",
                f"{owner}: {name} cannot be unique",
                f"unique is for {', '.join(can)}",
                at=(*at, "params", "unique"),
            )
            unique = False
        return FunctionCall(name, args, bound, unique, group, at)

    def _group_of_id(self, identifier: Any, *, written: str, owner: str, at: Path) -> str:
        group = f"id {identifier!r}"
        if self._written.setdefault(group, written) != written:
            self._findings.warning(
                "id-shared",
                f"{owner}: another call with the id {shown(identifier)} has other arguments; "
                "with unique, no value comes from both",
                "give calls that have nothing to do with each other ids of their own",
                at=(*at, "id"),
            )
        return group

    def _unique(self, params: Any, owner: str, at: Path) -> bool:
        if not isinstance(params, dict):
            self._findings.error(
                "function-params",
                f"{owner}: params has to be a table, like {{ unique = true }}",
                at=at,
            )
            return False
        for key in params:
            if key != "unique":
                self._findings.warning(
                    "function-params",
                    f'{owner}: params has the unknown key "{key}", which does nothing',
                    nearest(key, ["unique"]) or "params knows only unique",
                    at=(*at, key),
                    key=True,
                )
        unique = params.get("unique", False)
        if not isinstance(unique, bool):
            self._findings.error(
                "function-params",
                f"{owner}: unique has to be true or false, got {shown(unique)}",
                at=(*at, "unique"),
            )
        return unique is True


def _items(container: dict[str, Any] | list[Any]) -> Iterator[tuple[str | int, Any]]:
    """The values in a table or a list, each with its key or place."""
    return iter(container.items() if isinstance(container, dict) else enumerate(container))


def _parts(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, (dict, list)):
        for _, item in _items(value):
            yield from _parts(item)
