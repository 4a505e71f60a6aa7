"""Blocks as written become templates: inheritance merged, variables put in, calls recognised."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from experiment_server.study.diagnostics import Findings, nearest
from experiment_server.study.functions import FUNCTIONS, ArgumentsInvalid
from experiment_server.study.model import BlockTemplate, Config, FunctionCall

CALL_KEYS = ("function_name", "args", "params", "id")

_VARIABLE = re.compile(r"\$([A-Za-z0-9_-]+)")


@dataclass(frozen=True, slots=True)
class RawBlock:
    """A block as the file has it."""

    name: str
    extends: str | None
    config: Config


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
        raw.name: replace(raw, config=values.fill(raw.config, f'block "{raw.name}"'))
        for raw in raw_blocks.values()
    }
    calls = _Calls(filled, findings)
    return {
        raw.name: BlockTemplate(
            raw.name,
            raw.extends,
            calls.recognise(_inherit(raw, filled, findings), f'block "{raw.name}"'),
        )
        for raw in filled.values()
    }


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
    merged: Config = raw.config
    path = [raw.name]
    ancestor = raw
    while ancestor.extends is not None and ancestor.extends in raw_blocks:
        if ancestor.extends in path:
            findings.warning(
                "extends-cycle",
                "these blocks extend each other in a circle: "
                + _ring(path[path.index(ancestor.extends) :]),
                "each takes the settings along the circle once; remove one of the extends",
            )
            break
        ancestor = raw_blocks[ancestor.extends]
        path.append(ancestor.name)
        merged = merge(merged, ancestor.config)
    return merged


def _ring(names: list[str]) -> str:
    """A circle of names in one wording, from whichever of them it was entered."""
    start = names.index(min(names))
    turned = [*names[start:], *names[:start]]
    return " -> ".join([*turned, turned[0]])


class _Variables:
    """Puts values in the place of `$NAME`; variables may stand in variables."""

    def __init__(self, variables: Mapping[str, Any], findings: Findings) -> None:
        self._variables = variables
        self._findings = findings
        self._filled: dict[str, Any] = {}
        self._open: list[str] = []

    def check_all(self) -> None:
        """Find the problems of all variables, used or not."""
        for name in self._variables:
            self._value(name)

    def fill(self, value: Any, owner: str) -> Any:
        """A copy of `value`, written by `owner`, with its variables put in."""
        if isinstance(value, str):
            return self._text(value, owner)
        if isinstance(value, list):
            return [self.fill(item, owner) for item in value]
        if isinstance(value, dict):
            return {key: self.fill(item, owner) for key, item in value.items()}
        return value

    def _text(self, text: str, owner: str) -> Any:
        if text.startswith("$$"):
            return text[1:]
        if text[:1] == "$" and text[1:] in self._variables:
            return self._value(text[1:])
        match = _VARIABLE.fullmatch(text)
        if match:
            self._findings.error(
                "variable-unknown",
                f'{owner} uses the unknown variable "{text}"',
                nearest(match[1], self._variables)
                or "define it under [configuration.variables], "
                f"or write $${match[1]} to mean the text {text}",
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
            )
            return None
        self._open.append(name)
        self._filled[name] = self.fill(self._variables[name], f'variable "{name}"')
        self._open.pop()
        return self._filled[name]


class _Calls:
    """Recognises function calls in merged configs."""

    def __init__(self, blocks: Mapping[str, RawBlock], findings: Findings) -> None:
        self._findings = findings
        self._owners: dict[int, str] = {}
        for raw in blocks.values():
            self._claim(raw.config, f'block "{raw.name}"')

    def _claim(self, value: Any, owner: str) -> None:
        """Remember who wrote a value, so that an heir is not blamed for its parent's mistake."""
        if isinstance(value, (dict, list)):
            self._owners.setdefault(id(value), owner)
            for item in value.values() if isinstance(value, dict) else value:
                self._claim(item, owner)

    def recognise(self, value: Any, owner: str) -> Any:
        """A copy of `value` with a FunctionCall in the place of each table that is one."""
        owner = self._owners.get(id(value), owner)
        if isinstance(value, list):
            return [self.recognise(item, owner) for item in value]
        if not isinstance(value, dict):
            return value
        if "function_name" in value:
            unknown = [key for key in value if key not in CALL_KEYS]
            if not unknown:
                return self._call(value, owner)
            self._findings.warning(
                "call-not-recognised",
                f'{owner}: a table with function_name also has the key "{unknown[0]}", '
                "so it is taken as plain data and nothing is called",
                nearest(unknown[0], CALL_KEYS)
                or f"a function call has only {', '.join(CALL_KEYS)}",
            )
        return {key: self.recognise(item, owner) for key, item in value.items()}

    def _call(self, table: Mapping[str, Any], owner: str) -> Any:
        name = table["function_name"]
        if name not in FUNCTIONS if isinstance(name, str) else True:
            self._findings.error(
                "function-unknown",
                f"{owner} calls the unknown function {json.dumps(name, ensure_ascii=False)}",
                (isinstance(name, str) and nearest(name, FUNCTIONS))
                or f"the known functions are {', '.join(FUNCTIONS)}",
            )
            return None
        args = self.recognise(table.get("args", []), owner)
        bound = None
        if not any(isinstance(part, FunctionCall) for part in _parts(args)):
            try:
                bound = FUNCTIONS[name].bind(args)
            except ArgumentsInvalid as problem:
                self._findings.error(
                    "function-arguments",
                    f"{owner}: {name} {problem}",
                    f"it is called as {FUNCTIONS[name].signature}",
                )
        group = json.dumps([name, args], sort_keys=True, default=repr)
        if "id" in table:
            group = f"id {table['id']!r}"
        return FunctionCall(name, args, bound, self._unique(table.get("params", {}), owner), group)

    def _unique(self, params: Any, owner: str) -> bool:
        if not isinstance(params, dict):
            self._findings.error(
                "function-params", f"{owner}: params has to be a table, like {{ unique = true }}"
            )
            return False
        for key in params:
            if key != "unique":
                self._findings.warning(
                    "function-params",
                    f'{owner}: params has the unknown key "{key}", which does nothing',
                    nearest(key, ["unique"]) or "params knows only unique",
                )
        unique = params.get("unique", False)
        if not isinstance(unique, bool):
            self._findings.error(
                "function-params", f"{owner}: unique has to be true or false, got {unique!r}"
            )
        return unique is True


def _parts(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _parts(item)
