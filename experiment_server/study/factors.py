"""Factorial designs: one block with factors is replaced by a block per combination of levels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from experiment_server.limits.study import FACTORIAL_BLOCKS_MAX, STUDY_BLOCKS_MAX
from experiment_server.study.diagnostics import Findings, nearest, shown
from experiment_server.study.families import PLACEHOLDER, Families, Levels, filled, is_same
from experiment_server.study.keys import CALL
from experiment_server.study.model import Between, BetweenStrategy, Binding, Cell, Level, Names
from experiment_server.study.positions import Path
from experiment_server.study.templates import RawBlock
from experiment_server.wire.values import JsonValue

FACTORS: Path = ("configuration", "factors")
BETWEEN: Path = ("configuration", "between")


@dataclass(frozen=True, slots=True)
class CrossedBlocks:
    """The blocks of a study file after the factorial blocks are replaced."""

    blocks: Mapping[str, RawBlock]
    families: Families


def read_levels(value: JsonValue, findings: Findings) -> Levels:
    """The levels of each factor in `[configuration.factors]`; factors with errors are left out."""
    if not isinstance(value, dict):
        findings.error(
            "type", "factors has to be a table: write [configuration.factors]", at=FACTORS
        )
        return {}
    levels: dict[str, tuple[Level, ...]] = {}
    for name, listed in value.items():
        at = (*FACTORS, name)
        if not isinstance(listed, list) or not listed:
            findings.error(
                "factor-levels",
                f'factor "{name}" has to be a list of levels',
                f'like {name} = ["small", "large"]',
                at=at,
            )
            levels[name] = ()
            continue
        met: set[str] = set()
        for index, level in enumerate(listed):
            if not isinstance(level, (str, int, float)):
                findings.error(
                    "factor-levels",
                    f'factor "{name}" has the level {shown(level)}; '
                    "levels are text, numbers, true or false",
                    at=(*at, index),
                )
            elif shown(level) in met:
                findings.error(
                    "factor-levels",
                    f'factor "{name}" has the level {shown(level)} twice',
                    at=(*at, index),
                )
            met.add(shown(level))
        levels[name] = tuple({shown(level): level for level in listed}.values())
    return levels


def cross(raw_blocks: Iterable[RawBlock], levels: Levels, findings: Findings) -> CrossedBlocks:
    """Replace each factorial block by its members; the last factor varies fastest."""
    blocks: dict[str, RawBlock] = {}
    families: dict[str, Names] = {}
    members_levels: dict[str, Binding] = {}
    used: set[str] = set()
    for raw in raw_blocks:
        if len(blocks) > STUDY_BLOCKS_MAX:
            findings.error(
                "study-too-large",
                f"the study has more than {STUDY_BLOCKS_MAX:,} blocks, crossed ones counted each",
                "cross fewer factors, or give them fewer levels",
                at=raw.at,
            )
            break
        members: Mapping[str, tuple[RawBlock, Binding]] = {raw.name: (raw, {})}
        if raw.factors:
            used.update(raw.factors)
            members = _members(raw, levels, findings)
            families[raw.name] = tuple(members)
        for name, (member, chosen) in members.items():
            if name in blocks:
                findings.error(
                    "block-duplicate",
                    f'two blocks have the name "{name}"'
                    + (f"; one is a member of {raw.owner}" if raw.factors else ""),
                    "give each block a name of its own",
                    at=(*raw.at, "name"),
                )
                continue
            blocks[name] = member
            if chosen:
                members_levels[name] = chosen
    for name in levels:
        if name not in used and not findings.has_errors:
            findings.warning(
                "factor-unused",
                f'no block lists the factor "{name}"',
                f'write factors = ["{name}"] in a block, or remove the factor',
                at=(*FACTORS, name),
                key=True,
            )
    found = Families(families, members_levels, levels)
    return CrossedBlocks(_with_parents(blocks, found, findings), found)


def _with_parents(
    blocks: Mapping[str, RawBlock], families: Families, findings: Findings
) -> dict[str, RawBlock]:
    """The blocks with their parents; if the parent is a family, it is the member of same levels."""
    found = {}
    for name, raw in blocks.items():
        if raw.extends is None or raw.extends in blocks:
            found[name] = raw
            continue
        levels = families.levels.get(name, {})
        parents = families.chosen(raw.extends, levels) if raw.extends in families else []
        # The parents are written one by one, with settings that differ between levels.
        parent = parents[0].name if len(parents) == 1 else filled(raw.extends, levels)
        if parent not in blocks:
            _report_parent(raw, blocks, families, findings)
            found[name] = raw
        else:
            found[name] = replace(raw, extends=parent)
    return found


def _report_parent(
    raw: RawBlock, blocks: Mapping[str, RawBlock], families: Families, findings: Findings
) -> None:
    wanted = raw.extends or ""
    members = families.get(wanted)
    hint: str | None
    if members:
        missing = families.levels[members[0]].keys() - set(raw.factors)
        hint = (
            f"it stands for several blocks; extend one of them, like {members[0]}, "
            f"or list its factors too: {', '.join(sorted(missing))}"
        )
    else:
        hint = nearest(wanted, [*families, *blocks])
    findings.error(
        "block-unknown",
        f'{raw.owner} extends the unknown block "{wanted}"',
        hint,
        at=(*raw.at, "extends"),
    )


def read_between(
    configuration: Mapping[str, JsonValue],
    levels: Levels,
    crossed: CrossedBlocks,
    findings: Findings,
) -> Between | None:
    """The between-subjects factors, and the strategy that assigns their levels."""
    listed = configuration.get("between")
    strategy = _between_strategy(configuration, listed is not None, findings)
    if listed is None:
        return None
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        findings.error("type", "between has to be a list of factors", at=BETWEEN)
        return None
    for index, name in enumerate(listed):
        if name not in levels:
            findings.error(
                "factor-unknown",
                f'between names the unknown factor "{name}"',
                nearest(name, levels) or "define it under [configuration.factors]",
                at=(*BETWEEN, index),
            )
    names = [name for name in dict.fromkeys(listed) if name in levels]
    if not names or math.prod(len(levels[name]) for name in names) > FACTORIAL_BLOCKS_MAX:
        return None
    cells = []
    for combination in itertools.product(*(levels[name] for name in names)):
        chosen = dict(zip(names, combination, strict=True))
        left_out = frozenset(
            member
            for member, has in crossed.families.levels.items()
            if any(name in has and not is_same(has[name], level) for name, level in chosen.items())
        )
        cells.append(Cell(chosen, left_out))
    return Between(tuple(cells), strategy)


def _between_strategy(
    configuration: Mapping[str, JsonValue], needed: bool, findings: Findings
) -> BetweenStrategy:
    key = "between_strategy"
    value = configuration.get(key, BetweenStrategy.CYCLE.value)
    names = [strategy.value for strategy in BetweenStrategy]
    if value not in names:
        findings.error(
            "strategy-unknown",
            f"{key} is {shown(value)}, which is no strategy for it",
            (isinstance(value, str) and nearest(value, names))
            or f"choose one of {', '.join(names)}",
            at=("configuration", key),
        )
        return BetweenStrategy.CYCLE
    if key in configuration and not needed:
        findings.warning(
            "strategy-without-effect",
            f"{key} has no effect: between names no factor",
            f'add between = ["..."], or remove {key}',
            at=("configuration", key),
        )
    return BetweenStrategy(value)


def _members(
    raw: RawBlock, levels: Levels, findings: Findings
) -> dict[str, tuple[RawBlock, Binding]]:
    if not _fits(raw, levels, findings):
        return {}
    members: dict[str, tuple[RawBlock, Binding]] = {}
    for combination in itertools.product(*(levels[name] for name in raw.factors)):
        chosen = dict(zip(raw.factors, combination, strict=True))
        name = filled(raw.name, chosen)
        config = {**chosen, **_with_levels(raw.config, chosen)}
        member = replace(raw, name=name, config=config, levels=chosen)
        if name in members:
            findings.error(
                "block-duplicate",
                f'{raw.owner}: two combinations of levels have the name "{name}"',
                "choose levels that read differently",
                at=(*raw.at, "name"),
            )
        members[name] = (member, chosen)
    return members


def _with_levels(value: JsonValue, levels: Binding, *, in_call: bool = False) -> JsonValue:
    """A config in which each call argument "{factor}" is replaced by the member's level."""
    if isinstance(value, dict):
        calls = in_call or ("function_name" in value and value.keys() <= CALL.keys())
        return {key: _with_levels(item, levels, in_call=calls) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_levels(item, levels, in_call=in_call) for item in value]
    if in_call and isinstance(value, str) and value[:1] == "{" and value[-1:] == "}":
        return levels.get(value[1:-1], value)
    return value


def _fits(raw: RawBlock, levels: Levels, findings: Findings) -> bool:
    """Whether a block can be crossed; reports an error if not."""
    if not levels and findings.has_errors:
        return False
    fits = True
    for index, factor in enumerate(raw.factors):
        if factor not in levels:
            findings.error(
                "factor-unknown",
                f'{raw.owner} lists the unknown factor "{factor}"',
                nearest(factor, levels) or "define it under [configuration.factors]",
                at=(*raw.at, "factors", index),
            )
            fits = False
        elif factor in raw.config:
            findings.error(
                "factor-key-taken",
                f'{raw.owner}: "{factor}" is a factor and cannot be set in the config as well',
                "remove it from the config; each member gets its own level there",
                at=(*raw.at, "config", factor),
            )
            fits = False
    if not fits:
        return False
    placeholders = set(PLACEHOLDER.findall(raw.name))
    for factor in raw.factors:
        if factor not in placeholders:
            findings.error(
                "factor-name",
                f'{raw.owner}: the name has no place for the factor "{factor}"',
                f"write {{{factor}}} where its level should stand",
                at=(*raw.at, "name"),
            )
            fits = False
    for placeholder in sorted(placeholders - set(raw.factors)):
        findings.error(
            "factor-name",
            f'{raw.owner}: the name has a place for "{placeholder}", which the block does not list',
            nearest(placeholder, raw.factors) or f'add "{placeholder}" to its factors',
            at=(*raw.at, "name"),
        )
        fits = False
    size = math.prod(len(levels[factor]) for factor in raw.factors)
    if size > FACTORIAL_BLOCKS_MAX:
        findings.error(
            "factor-too-many",
            f"{raw.owner} stands for {size} blocks; more than {FACTORIAL_BLOCKS_MAX} "
            "are not possible",
            at=(*raw.at, "factors"),
        )
        fits = False
    return fits
