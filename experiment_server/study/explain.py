"""Explains where each block and each value of a participant comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from experiment_server.study.expand import cell_of, condition_walk, expand, turn_of
from experiment_server.study.model import (
    RESERVED_KEYS,
    Config,
    FunctionCall,
    Names,
    Strategy,
    Study,
    TemplateValue,
)
from experiment_server.study.ordering import Step
from experiment_server.study.parse import Parsed, read_blocks
from experiment_server.study.templates import RawBlock
from experiment_server.study.values import inside
from experiment_server.wire.explanations import ExplainedBlock, ExplainedValue
from experiment_server.wire.values import JsonValue


def explain(
    parsed: Parsed, participant_index: int, row: int | None = None
) -> tuple[ExplainedBlock, ...]:
    """Each block of a participant with its reasons; raises StudyInvalid and ExpansionFailed.

    By default, the row of the design is the participant's index.
    """
    study = parsed.require()
    raw_blocks = read_blocks(parsed.source.text)
    blocks = expand(study, participant_index, row)
    reasons = _reasons(study, participant_index if row is None else row, len(blocks))
    return tuple(
        ExplainedBlock(
            block_id,
            block.name,
            reasons[block_id],
            tuple(_values(study.blocks[block.name].config, block.config, block.name, raw_blocks)),
        )
        for block_id, block in enumerate(blocks)
    )


def _reasons(study: Study, row: int, count: int) -> list[Names]:
    """The reasons for each block's position."""
    steps_of_blocks = [steps for _, steps in condition_walk(study, row)]
    if study.order.trees:
        ordered = [
            tuple(filter(None, map(_in_tree, steps))) or ("as in the file",)
            for steps in steps_of_blocks
        ]
    else:
        table = _table_row(study, row)
        ordered = [(*table, *_in_groups(steps)) for steps in steps_of_blocks]
    left_out = cell_of(study, row).left_out
    listed = study.init_blocks.row(row)
    first = len([name for name in listed if name not in left_out])
    last = count - first - len(ordered)
    return [("init_blocks",)] * first + ordered + [("final_blocks",)] * last


def _in_tree(step: Step) -> str:
    """The reason for an item's position in a group of a tree; empty if it is the file's order."""
    group = step.group
    if group.strategy is Strategy.AS_IS:
        return ""
    met = group.pick or len(group.items)
    return f"{group.name}: {group.labels[step.item]}, {step.position + 1} of {met} ({_how(step)})"


def _table_row(study: Study, row: int) -> Names:
    """The row of the order table that a row of the design uses; empty without such a table."""
    rows = len(study.order.rows)
    at = turn_of(study, row) % rows + 1
    return (f"row {at} of {rows}",) if rows > 1 else ()


def _in_groups(steps: tuple[Step, ...]) -> Iterator[str]:
    """The reasons for the positions of a classic order's group, and of the block in its group."""
    outer, *inner = steps
    size = len(outer.group.items)
    yield f"group {outer.item + 1} of the file, {outer.position + 1} of {size} ({_how(outer)})"
    for step in inner:
        yield f"in it {step.position + 1} of {len(step.group.items)} ({_how(step)})"


def _how(step: Step) -> str:
    strategy = step.group.strategy
    if strategy is Strategy.RANDOMIZE:
        return "shuffled"
    if strategy is Strategy.AS_IS:
        return "as in the file"
    return f"{strategy.value}, order {step.row + 1} of {step.rows}"


def _values(
    template: TemplateValue,
    value: JsonValue,
    name: str,
    raw_blocks: Mapping[str, RawBlock],
    path: Names = (),
) -> Iterator[ExplainedValue]:
    """The values in a config, one by one; a list or the result of a call is one value."""
    if isinstance(template, dict) and template:
        for key, item in template.items():
            if path or key not in RESERVED_KEYS:
                yield from _values(item, value[key], name, raw_blocks, (*path, key))
    elif path:
        yield _explained(name, raw_blocks, path, value, _function(template))


def _explained(
    name: str,
    raw_blocks: Mapping[str, RawBlock],
    path: Names,
    value: JsonValue,
    function: str | None,
) -> ExplainedValue:
    for raw in _ancestors(name, raw_blocks):
        found, variable = _written(raw.config, path)
        if found:
            factor = len(path) == 1 and path[0] in raw.levels
            return ExplainedValue(path, value, raw.name, variable, factor, function)
    return ExplainedValue(path, value, name, function=function)


def _function(template: TemplateValue) -> str | None:
    """The name of the function that draws a value or an item of a list, None without a call."""
    if isinstance(template, FunctionCall):
        return template.function_name
    return next(filter(None, map(_function, inside([template]))), None)


def _ancestors(name: str, raw_blocks: Mapping[str, RawBlock]) -> Iterator[RawBlock]:
    """A block, its parent, and so on; each block once, also in a circle."""
    met: set[str] = set()
    following: str | None = name
    while following is not None and following in raw_blocks and following not in met:
        met.add(following)
        yield raw_blocks[following]
        following = raw_blocks[following].extends


def _written(config: Config, path: Names) -> tuple[bool, str | None]:
    """Whether a block has a value at a path, and the variable that the value comes from."""
    value: JsonValue = config
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return False, None
        value = value[key]
        if isinstance(value, str) and value[:1] == "$" and value[1:2] != "$":
            return True, value[1:]
    return True, None
