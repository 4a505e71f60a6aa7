"""Expands one participant of each kind when a study is read, to find errors early."""

from __future__ import annotations

import math

from experiment_server.errors import ExpansionFailed
from experiment_server.limits.study import (
    EXPANDED_CHARACTERS_MAX,
    EXPANDED_VALUES_MAX,
    TRIAL_EXPANSIONS_MAX,
)
from experiment_server.study.diagnostics import Findings
from experiment_server.study.expand import expand
from experiment_server.study.model import Block, Study
from experiment_server.study.uniques import check_uniques
from experiment_server.study.values import inside
from experiment_server.wire.values import JsonValue

HINTS = {
    "unique-exhausted": "give the call more values, use it in fewer blocks, "
    "or give calls that may repeat each other's values different ids"
}


def try_out(study: Study, findings: Findings) -> None:
    """Expand one participant of each kind, and report errors.

    A failure depends only on the blocks of a participant, and these depend only on the tables.
    """
    kinds = math.lcm(
        len(study.order.rows) or 1, len(study.init_blocks.rows), len(study.final_blocks.rows)
    )
    if study.between is not None:
        kinds *= len(study.between.cells)
    for participant_index in range(1, min(kinds, TRIAL_EXPANSIONS_MAX) + 1):
        try:
            blocks = expand(study, participant_index)
        except ExpansionFailed as error:
            findings.error(error.problem, error.detail, HINTS.get(error.problem), at=error.at)
            continue
        too_much = _too_much(blocks)
        if too_much:
            findings.error(
                "study-too-large",
                f"participant {participant_index} gets more than {too_much}",
                "draw fewer values, or use the blocks that draw many less often",
            )
            return
    if not findings.has_errors:
        check_uniques(study, kinds, findings)


def _too_much(blocks: tuple[Block, ...]) -> str | None:
    """A phrase for the limit that the blocks' configs exceed, None if they exceed none."""
    values = characters = 0
    level: list[JsonValue] = [block.config for block in blocks]
    while level:
        values += len(level)
        characters += sum(map(_length, level))
        if values > EXPANDED_VALUES_MAX:
            return f"{EXPANDED_VALUES_MAX:,} values"
        if characters > EXPANDED_CHARACTERS_MAX:
            return f"{EXPANDED_CHARACTERS_MAX:,} characters of text"
        level = inside(level)
    return None


def _length(value: JsonValue) -> int:
    """The number of characters in a text, or in the keys of a table."""
    if isinstance(value, str):
        return len(value)
    return sum(map(len, value)) if isinstance(value, dict) else 0
