"""TOML text to a Study, or to every problem that keeps it from being one."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import tomli

from experiment_server.errors import ExpansionFailed, StudyInvalid
from experiment_server.limits import STUDY_NESTING, TRIAL_EXPANSIONS
from experiment_server.study.diagnostics import Diagnostic, Findings, nearest
from experiment_server.study.expand import expand
from experiment_server.study.model import (
    BlockTemplate,
    Edge,
    Names,
    Order,
    Strategy,
    Study,
)
from experiment_server.study.order import square_rows
from experiment_server.study.templates import RawBlock, build_templates

TOP_KEYS = ("configuration", "blocks")
BLOCK_KEYS = ("name", "config", "extends")
CONFIGURATION_KEYS = (
    "order",
    "groups_strategy",
    "within_groups_strategy",
    "groups",
    "within_groups",
    "init_blocks",
    "final_blocks",
    "init_blocks_strategy",
    "final_blocks_strategy",
    "random_seed",
    "variables",
)
EDGE_STRATEGIES = (Strategy.AS_IS, Strategy.RANDOMIZE)
ORDER_SHAPES = (
    'a list of block names, a list of lists of block names, or a table like { 1 = ["A", "B"] }'
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """The outcome of reading a study file: `study` is None if there is any error."""

    study: Study | None
    diagnostics: tuple[Diagnostic, ...]

    def require(self) -> Study:
        """The study; raises StudyInvalid, with all diagnostics, if there is none."""
        if self.study is not None:
            return self.study
        errors = [item for item in self.diagnostics if item.severity == "error"]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise StudyInvalid(f"the study has errors: {errors[0].message}{more}", self.diagnostics)


def digest_of(text: str) -> str:
    """The SHA-256 of a study's text, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def parse(text: str) -> Parsed:
    """Read a study. Never raises: whatever the text is, the outcome says what was found."""
    findings = Findings()
    document = _document(text, findings)
    study = None if document is None else _study(document, digest_of(text), findings)
    if study is not None and not findings.has_errors:
        _try_out(study, findings)
    return Parsed(None if findings.has_errors else study, findings.all())


def _document(text: str, findings: Findings) -> dict[str, Any] | None:
    # Editors on Windows put a byte order mark first; TOML has no place for it.
    try:
        document = tomli.loads(text.removeprefix("\ufeff"))
    except tomli.TOMLDecodeError as error:
        message = getattr(error, "msg", str(error))
        line, column = getattr(error, "lineno", None), getattr(error, "colno", None)
        findings.add(
            Diagnostic("toml-syntax", "error", f"not valid TOML: {message}", None, line, column)
        )
        return None
    except (ValueError, RecursionError) as error:
        findings.error("toml-syntax", f"not valid TOML: {error}")
        return None
    if _nesting(document) > STUDY_NESTING:
        findings.error(
            "nesting-too-deep", f"lists and tables are nested more than {STUDY_NESTING} deep"
        )
        return None
    plain: dict[str, Any] = _plain(document, "", findings)
    return plain


def _nesting(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        level = [
            item
            for container in level
            if isinstance(container, (dict, list))
            for item in (container.values() if isinstance(container, dict) else container)
        ]
        depth += 1
    return depth


def _plain(value: Any, path: str, findings: Findings) -> Any:
    """The value in JSON's types, because every participant's app gets it as JSON."""
    if isinstance(value, dict):
        return {
            key: _plain(item, f"{path}.{key}" if path else key, findings)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_plain(item, f"{path}[{index}]", findings) for index, item in enumerate(value)]
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        findings.error(
            "number-not-json",
            f"{path} is {value}, which JSON cannot carry to the participants' apps",
            f'write it as text: "{value}"',
        )
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        findings.error("number-not-json", f"{path} does not fit into 64 bits")
    return value


def _study(document: Mapping[str, Any], digest: str, findings: Findings) -> Study:
    _unknown_keys(document, TOP_KEYS, "the file", findings)
    configuration = document.get("configuration", {})
    if not isinstance(configuration, dict):
        findings.error("type", "configuration has to be a table: write [configuration]")
        configuration = {}
    _unknown_keys(configuration, CONFIGURATION_KEYS, "[configuration]", findings)
    raw_blocks = _raw_blocks(document.get("blocks"), findings)
    variables = configuration.get("variables", {})
    if not isinstance(variables, dict):
        findings.error("type", "variables has to be a table: write [configuration.variables]")
        variables = {}
    templates = build_templates(raw_blocks, variables, findings)
    reader = _Reader(configuration, templates, findings)
    return Study(
        digest=digest,
        blocks=templates,
        order=reader.order(),
        init_blocks=reader.edge("init_blocks"),
        final_blocks=reader.edge("final_blocks"),
        random_seed=reader.seed(),
    )


def _unknown_keys(
    table: Mapping[str, Any], known: Iterable[str], where: str, findings: Findings
) -> None:
    for key in table:
        if key not in known:
            findings.warning(
                "key-unknown",
                f'{where} has the unknown key "{key}", which does nothing',
                nearest(key, known) or f"known here: {', '.join(known)}",
            )


def _raw_blocks(blocks: Any, findings: Findings) -> dict[str, RawBlock]:
    if blocks is None or blocks == []:
        findings.error("blocks-missing", "the study has no blocks", "add one with [[blocks]]")
        return {}
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        findings.error("type", "blocks has to be a list of tables: write [[blocks]] for each one")
        return {}
    found: dict[str, RawBlock] = {}
    for number, block in enumerate(blocks, start=1):
        raw = _raw_block(block, number, findings)
        if raw is None:
            continue
        if raw.name in found:
            findings.error(
                "block-duplicate",
                f'two blocks have the name "{raw.name}"; block {number} in the file is the second',
                "give each block a name of its own",
            )
            continue
        found[raw.name] = raw
    for raw in found.values():
        if raw.extends is not None and raw.extends not in found:
            findings.error(
                "block-unknown",
                f'block "{raw.name}" extends the unknown block "{raw.extends}"',
                nearest(raw.extends, found),
            )
    return found


def _raw_block(block: Mapping[str, Any], number: int, findings: Findings) -> RawBlock | None:
    name = _name(block.get("name"))
    if not name:
        problem = "has no name" if "name" not in block else "has a name that is no text"
        findings.error(
            "block-name", f"block {number} in the file {problem}", 'add name = "..." to it'
        )
        return None
    where = f'block "{name}"'
    _unknown_keys(block, BLOCK_KEYS, where, findings)
    if "config" not in block and "extends" not in block:
        findings.error(
            "block-empty",
            f"{where} has neither config nor extends",
            "add [blocks.config] below it, even if empty",
        )
    config = block.get("config", {})
    if not isinstance(config, dict):
        findings.error("type", f"{where}: config has to be a table: write [blocks.config]")
        config = {}
    extends = _name(block.get("extends"))
    if "extends" in block and not extends:
        findings.error("type", f"{where}: extends has to be the name of a block")
    return RawBlock(name, extends or None, config)


def _name(value: Any) -> str | None:
    """A block's name; the field's files also write whole numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


class _Reader:
    """Reads `[configuration]` against the blocks that exist."""

    def __init__(
        self,
        configuration: Mapping[str, Any],
        templates: Mapping[str, BlockTemplate],
        findings: Findings,
    ) -> None:
        self._configuration = configuration
        self._templates = templates
        self._findings = findings

    def order(self) -> Order:
        groups_strategy = self._strategy("groups_strategy", "groups", tuple(Strategy))
        within = self._strategy("within_groups_strategy", "within_groups", tuple(Strategy))
        value = self._configuration.get("order")
        if isinstance(value, dict):
            if groups_strategy is not Strategy.AS_IS:
                self._findings.error(
                    "strategy-on-table",
                    f'order is a table, so groups_strategy has to be "as_is", '
                    f'not "{groups_strategy.value}"',
                    "the table itself says which participant gets which order",
                )
            rows = self._table("order", value, self._groups_of_row)
        elif value is None:
            rows = (tuple((name,) for name in self._templates),)
        else:
            groups = self._groups("order", value)
            if groups and not any(isinstance(item, list) for item in value):
                groups = tuple((name,) for name in groups[0])
            rows = (groups,)
        order = Order(rows, groups_strategy, within)
        self._check_squares(order)
        return order

    def edge(self, key: str) -> Edge:
        strategy = self._strategy(f"{key}_strategy", None, EDGE_STRATEGIES)
        value = self._configuration.get(key, [])
        if isinstance(value, dict):
            return Edge(self._table(key, value, self._names), strategy)
        return Edge((self._names(key, value),), strategy)

    def seed(self) -> int:
        seed = self._configuration.get("random_seed", 0)
        if isinstance(seed, int) and not isinstance(seed, bool):
            return seed
        self._findings.error("type", f"random_seed has to be a whole number, got {seed!r}")
        return 0

    def _strategy(self, key: str, older_key: str | None, allowed: tuple[Strategy, ...]) -> Strategy:
        names = [strategy.value for strategy in allowed]
        if older_key is not None and older_key in self._configuration:
            if key in self._configuration:
                self._findings.warning(
                    "key-twice",
                    f"{key} and its older name {older_key} are both given; {key} counts",
                    f"remove {older_key}",
                )
            else:
                key = older_key
        value = self._configuration.get(key, Strategy.AS_IS.value)
        if value in names:
            return Strategy(value)
        self._findings.error(
            "strategy-unknown",
            f"{key} is {value!r}, which is no strategy for it",
            (isinstance(value, str) and nearest(value, names))
            or f"choose one of {', '.join(names)}",
        )
        return Strategy.AS_IS

    def _table(
        self, key: str, table: Mapping[str, Any], read: Callable[[str, Any], Any]
    ) -> tuple[Any, ...]:
        expected = [str(number) for number in range(1, len(table) + 1)]
        if not table:
            self._findings.error("order-empty", f"{key} is an empty table")
        elif set(table) != set(expected):
            missing = next(number for number in expected if number not in table)
            self._findings.error(
                "order-keys",
                f"the keys of {key} have to be the participants 1 to {len(table)}, "
                f"got {', '.join(table)}",
                f"key {missing} is missing; later participants start over at key 1",
            )
        return tuple(
            read(f"{key}.{number}", table[number]) for number in expected if number in table
        ) or ((),)

    def _groups_of_row(self, where: str, value: Any) -> tuple[Names, ...]:
        return self._groups(where, value)

    def _groups(self, where: str, value: Any) -> tuple[Names, ...]:
        """The groups in a list; a flat list is one group."""
        if not isinstance(value, list):
            self._findings.error("type", f"{where} has to be {ORDER_SHAPES}")
            return ()
        nested = [isinstance(item, list) for item in value]
        if any(nested) and not all(nested):
            odd_one = value[nested.index(False)]
            self._findings.error(
                "order-mixed",
                f"{where} mixes block names and lists of block names",
                f"put {odd_one!r} into a list of its own, or take the inner lists away",
            )
            return ()
        if not value or not all(value if any(nested) else [True]):
            what = "has an empty group" if value else "is empty"
            self._findings.error("order-empty", f"{where} {what}", "name the blocks to run")
            return ()
        if not any(nested):
            return (self._names(where, value),)
        return tuple(
            self._names(f"{where}, group {number}", group)
            for number, group in enumerate(value, start=1)
        )

    def _names(self, where: str, value: Any) -> Names:
        if not isinstance(value, list):
            self._findings.error("type", f"{where} has to be a list of block names")
            return ()
        names = []
        for item in value:
            name = _name(item)
            if name is None:
                self._findings.error("type", f"{where} has {item!r}, which is no block name")
            elif name not in self._templates:
                self._findings.error(
                    "block-unknown",
                    f'{where} names the unknown block "{name}"',
                    nearest(name, self._templates)
                    or f"the blocks are {', '.join(self._templates) or '(none)'}",
                )
            else:
                names.append(name)
        return tuple(names)

    def _check_squares(self, order: Order) -> None:
        for groups in order.rows:
            sizes = {len(group) for group in groups}
            inside = order.within_groups_strategy
            if len(sizes) > 1 and square_rows(inside, 1):
                self._findings.error(
                    "groups-unequal",
                    f'within_groups_strategy = "{inside.value}" needs groups of one size, '
                    f"got groups of {', '.join(str(len(group)) for group in groups)} blocks",
                    "make the groups equal, or order them inside with randomize or as_is",
                )
            self._check_odd("groups_strategy", order.groups_strategy, len(groups))
            for size in sizes:
                self._check_odd("within_groups_strategy", inside, size)

    def _check_odd(self, key: str, strategy: Strategy, size: int) -> None:
        if strategy is Strategy.LATIN_SQUARE and size % 2 and size > 1:
            self._findings.warning(
                "latin-square-odd",
                f"{key}: a balanced Latin square of {size} takes {2 * size} orders; "
                f"release 0.3 stopped after {size} and left it unbalanced",
                f"plan for a multiple of {2 * size} participants; a study that is already running "
                'keeps its old orders with "latin_square_0_3"',
            )


def _try_out(study: Study, findings: Findings) -> None:
    """Expand one participant of each kind, so that nothing is left to fail at a participant.

    What an expansion needs depends on which blocks are in it, and that only on the tables.
    """
    kinds = math.lcm(
        len(study.order.rows), len(study.init_blocks.rows), len(study.final_blocks.rows)
    )
    for participant_index in range(1, min(kinds, TRIAL_EXPANSIONS) + 1):
        try:
            expand(study, participant_index)
        except ExpansionFailed as error:
            findings.error(error.problem, error.detail, _EXPANSION_HINTS.get(error.problem))


_EXPANSION_HINTS = {
    "unique-exhausted": "give the call more values, use it in fewer blocks, "
    "or give calls that may repeat each other's values different ids"
}
