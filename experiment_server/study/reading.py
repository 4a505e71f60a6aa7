"""Functions that all readers of a study file use: for locations, names, keys and strategies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from experiment_server.limits.study import (
    LATIN_SQUARE_ITEMS_MAX,
    ORDER_TABLE_NAMES_MAX,
    PERMUTATIONS_ITEMS_MAX,
    STUDY_BLOCKS_MAX,
)
from experiment_server.study.diagnostics import Findings, nearest, shown
from experiment_server.study.model import BlockTemplate, Strategy
from experiment_server.study.positions import Path
from experiment_server.wire.values import JsonValue

SECTION = "configuration"
MOST_ITEMS = {
    Strategy.PERMUTATIONS: PERMUTATIONS_ITEMS_MAX,
    Strategy.RANDOM_LATIN_SQUARE: LATIN_SQUARE_ITEMS_MAX,
}


_FRAMING = re.compile(
    r"practi[cs]e|training|tutorial|instruction|questionnaire|survey|debrief|break"
    r"|(?<![a-z])(tlx|sus|ueq|ssq|ipq|consent|rest|pause)(?![a-z])",
    re.IGNORECASE,
)
"""Matches names of blocks that accompany a condition, such as practice and questionnaires."""


class Location(NamedTuple):
    """A location in the study file: its name in messages, and its path."""

    name: str
    at: Path


def block_name(value: object) -> str | None:
    """A block's name, None if the value is none. Whole numbers are accepted, as in release 0.3."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def unknown_keys(
    table: Mapping[str, JsonValue],
    known: Iterable[str],
    where: str,
    findings: Findings,
    *,
    at: Path = (),
) -> None:
    """Warn about unknown keys in the table at a path."""
    for key in table:
        if key not in known:
            findings.warning(
                "key-unknown",
                f'{where} has the unknown key "{key}", which does nothing',
                nearest(key, known) or f"known here: {', '.join(known)}",
                at=(*at, key),
                key=True,
            )


def read_strategy(
    value: JsonValue, key: str, allowed: tuple[Strategy, ...], findings: Findings, *, at: Path
) -> Strategy:
    """The strategy that a key names; `AS_IS` after an error if the value is not allowed."""
    names = [strategy.value for strategy in allowed]
    if value in names:
        return Strategy(value)
    findings.error(
        "strategy-unknown",
        f"{key} is {shown(value)}, which is no strategy for it",
        (isinstance(value, str) and nearest(value, names)) or f"choose one of {', '.join(names)}",
        at=at,
    )
    return Strategy.AS_IS


def check_items(key: str, strategy: Strategy, size: int, findings: Findings, *, at: Path) -> bool:
    """Whether a strategy can order this number of items; reports an error if not."""
    most = MOST_ITEMS.get(strategy)
    if most and size > most:
        findings.error(
            "strategy-too-many",
            f'{key} = "{strategy.value}" is for up to {most}, here are {size}',
            "latin_square balances position and carry-over, for any number",
            at=at,
        )
        return False
    return True


def is_framing(template: BlockTemplate, name: str) -> bool:
    """Whether a block only accompanies a condition; `name` is the block's or its family's name."""
    return not template.condition or bool(_FRAMING.search(name))


def report_separated(
    location: Location, framing: Sequence[str], size: int, hint: str, findings: Findings
) -> None:
    """Warn if an order of `size` items separates framing blocks from their conditions."""
    if len(framing) == size:
        return
    for label in dict.fromkeys(framing):
        findings.warning(
            "order-tears-apart",
            f'{location.name} puts "{label}" into an order of its own, '
            "away from what it belongs to",
            hint,
            at=location.at,
        )


class NamesCount:
    """Counts the block names of all orders, and checks their limit."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._names = 0

    def add(self, names: int) -> None:
        """Add the number of names in an order."""
        self._names += names

    def has_room(self, location: Location, names: int) -> bool:
        """Whether an order with `names` names may get one more; reports an error if not."""
        if names >= STUDY_BLOCKS_MAX:
            self._findings.error(
                "study-too-large",
                f"{location.name} has more than {STUDY_BLOCKS_MAX:,} blocks",
                "trials that an app goes through by itself can be a list in one block's config",
                at=location.at,
            )
        elif self._names + names >= ORDER_TABLE_NAMES_MAX:
            self._findings.error(
                "study-too-large",
                f"the orders have more than {ORDER_TABLE_NAMES_MAX:,} block names in all",
                "a strategy makes orders from one list; a table needs few of them",
                at=(SECTION, "order"),
            )
        else:
            return True
        return False
