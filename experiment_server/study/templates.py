"""Builds templates from raw blocks: fills in variables, merges inheritance, recognises calls."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from experiment_server.limits.study import STUDY_VALUES_MAX
from experiment_server.study.arguments import ArgumentsInvalid
from experiment_server.study.diagnostics import Findings, nearest, shown
from experiment_server.study.functions import FUNCTIONS
from experiment_server.study.keys import CALL
from experiment_server.study.model import (
    Binding,
    BlockTemplate,
    Config,
    FunctionCall,
    Names,
    Rows,
    TemplateValue,
)
from experiment_server.study.positions import Path
from experiment_server.study.sizes import expected_values
from experiment_server.study.variables import Variables, circle_text
from experiment_server.wire.values import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class RawBlock:
    """A block as written in the study file."""

    name: str
    extends: str | None
    config: Config
    at: Path
    """The path of the block in the file."""
    factors: Names = ()
    condition: bool = True
    levels: Binding = field(default_factory=dict)
    """The level of each of its factors, for a member of a family."""

    @property
    def owner(self) -> str:
        """The block's name in messages."""
        return f'block "{self.name}"'


def build_templates(
    raw_blocks: Mapping[str, RawBlock],
    variables: Mapping[str, JsonValue],
    tables: Mapping[str, Rows | None],
    findings: Findings,
) -> dict[str, BlockTemplate]:
    """A template for each block, in file order; problems go into `findings`.

    Variables are filled in before inheritance is merged, as in release 0.3: a table from a
    variable is merged like any other table.
    """
    known = Variables(variables, tables, findings)
    filled = {
        raw.name: replace(raw, config=known.config(raw.config, raw.owner, (*raw.at, "config")))
        for raw in raw_blocks.values()
    }
    known.report_unused()
    configs = _MergedConfigs(filled, findings)
    calls = _Calls(filled, findings)
    templates = {}
    values = 0
    for raw in filled.values():
        config = configs.of(raw)
        values += _count(config)
        if values > STUDY_VALUES_MAX:
            findings.error(
                "study-too-large",
                f"the blocks have more than {STUDY_VALUES_MAX:,} values in all, with what they "
                "inherit and their variables put in",
                "give large settings to fewer blocks",
                at=(*raw.at, "name"),
            )
            break
        recognised = calls.recognise(config, raw.owner, (*raw.at, "config"))
        templates[raw.name] = BlockTemplate(
            raw.name,
            raw.extends,
            recognised,
            raw.condition,
            raw.levels,
            expected_values(recognised),
        )
    return templates


def merge(child: Mapping[str, JsonValue], parent: Mapping[str, JsonValue]) -> Config:
    """The child's keys, then the parent's other keys; tables with the same key merge likewise."""
    merged = {
        key: merge(value, parent[key])
        if isinstance(value, dict) and isinstance(parent.get(key), dict)
        else value
        for key, value in child.items()
    }
    return merged | {key: value for key, value in parent.items() if key not in child}


class _MergedConfigs:
    """The configs of blocks, merged with the configs of their ancestors."""

    def __init__(self, raw_blocks: Mapping[str, RawBlock], findings: Findings) -> None:
        self._raw_blocks = raw_blocks
        self._findings = findings
        self._merged: dict[str, Config] = {}

    def of(self, raw: RawBlock) -> Config:
        """The config of a block."""
        path = [raw.name]
        inherited: Config = {}
        while True:
            parent = self._raw_blocks[path[-1]].extends
            if parent is None or parent not in self._raw_blocks:
                break
            if parent in self._merged:
                inherited = self._merged[parent]
                break
            if parent in path:
                # The result for a circle depends on the block where it starts, so it is not cached.
                self._report_circle(path[path.index(parent) :])
                return self._merge_from_root(path, {})
            path.append(parent)
        return self._merge_from_root(path, inherited, self._merged)

    def _merge_from_root(
        self, path: list[str], inherited: Config, cache: dict[str, Config] | None = None
    ) -> Config:
        # Merges from the root of the inheritance down, so a child gets the values that its parent
        # has after its own merge.
        for name in reversed(path):
            inherited = merge(self._raw_blocks[name].config, inherited)
            if cache is not None:
                cache[name] = inherited
        return inherited

    def _report_circle(self, names: list[str]) -> None:
        self._findings.warning(
            "extends-cycle",
            f"these blocks extend each other in a circle: {circle_text(names)}",
            "each takes the settings along the circle once; remove one of the extends",
            at=(*_first(names, self._raw_blocks).at, "extends"),
        )


def _first(names: list[str], raw_blocks: Mapping[str, RawBlock]) -> RawBlock:
    """The block that comes first in the message about a circle."""
    return raw_blocks[min(names)]


class _Calls:
    """Recognises function calls in merged configs."""

    def __init__(self, blocks: Mapping[str, RawBlock], findings: Findings) -> None:
        self._findings = findings
        self._origins: dict[int, tuple[str, Path]] = {}
        self._written: dict[str, str] = {}
        for raw in blocks.values():
            self._store_origins(raw.config, raw.owner, (*raw.at, "config"))

    def _store_origins(self, value: JsonValue, owner: str, at: Path) -> None:
        """Store each value's owner, so an error in an inherited value names the parent block."""
        if isinstance(value, (dict, list)) and not isinstance(value, Rows):
            self._origins.setdefault(id(value), (owner, at))
            for key, item in _items(value):
                self._store_origins(item, owner, (*at, key))

    def recognise(self, value: JsonValue, owner: str, at: Path) -> TemplateValue:
        """A copy of `value` in which each table that describes a call is a `FunctionCall`.

        The rows of a table file are data, so calls in them are not recognised.
        """
        if isinstance(value, Rows):
            return value
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

    def _call(self, table: Mapping[str, JsonValue], owner: str, at: Path) -> JsonValue:
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
        parts = [part for part in _parts(args) if isinstance(part, FunctionCall)]
        bound = possible = None
        # If an argument is a call with errors, this call cannot be checked.
        if all(part.possible is not None for part in parts):
            try:
                bound = FUNCTIONS[name].bind(args)
                possible = FUNCTIONS[name].outcome(bound)
            except ArgumentsInvalid as problem:
                self._findings.error(
                    "function-arguments",
                    f"{owner}: {name} {problem}",
                    f"it is called as {FUNCTIONS[name].signature}",
                    at=(*at, "args"),
                )
        group = json.dumps([name, _named(args)], sort_keys=True, default=_written)
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
        return FunctionCall(name, args, None if parts else bound, unique, group, at, possible)

    def _group_of_id(self, identifier: JsonValue, *, written: str, owner: str, at: Path) -> str:
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

    def _unique(self, params: JsonValue, owner: str, at: Path) -> bool:
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


def _written(call: FunctionCall) -> list[TemplateValue]:
    """A form of a call that is equal for equal calls."""
    return ["call", call.function_name, _named(call.args)]


def _named(args: TemplateValue) -> TemplateValue:
    """Arguments in which each table's rows are replaced by the table's name."""
    if isinstance(args, Rows):
        return {"table": args.name}
    if isinstance(args, dict):
        return {key: _named(item) for key, item in args.items()}
    return [_named(item) for item in args] if isinstance(args, list) else args


def _items(container: JsonObject | list[JsonValue]) -> Iterator[tuple[str | int, JsonValue]]:
    """The values in a table or a list, each with its key or index."""
    return iter(container.items() if isinstance(container, dict) else enumerate(container))


def _count(value: object) -> int:
    """The number of values in a value, including itself; the rows of a table count as one."""
    if isinstance(value, Rows):
        return 1
    if isinstance(value, dict):
        return 1 + sum(map(_count, value.values()))
    return 1 + sum(map(_count, value)) if isinstance(value, list) else 1


def _parts(value: TemplateValue) -> Iterator[TemplateValue]:
    yield value
    if isinstance(value, (dict, list)) and not isinstance(value, Rows):
        for _, item in _items(value):
            yield from _parts(item)
