"""What all readers of a study file share: places, names, keys and strategies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from experiment_server.limits import (
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
"""What blocks are called that go with a condition and are none."""


class Spot(NamedTuple):
    """A place in the file: what messages call it, and how to reach it."""

    name: str
    at: Path


def block_name(value: object) -> str | None:
    """A block's name; the field's files also write whole numbers."""
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
    """Warn of the keys that nobody reads, in a table that stands at a path."""
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
    """The strategy that a key has; as it is where the value is none."""
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
    """Whether a strategy can deal the orders of so many items; says so if not."""
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
    """Whether a block goes with a condition and is none; `name` is its own or its family's."""
    return not template.condition or bool(_FRAMING.search(name))


def report_torn(
    spot: Spot, framing: Sequence[str], size: int, hint: str, findings: Findings
) -> None:
    """Warn where an order of `size` items tears those that frame conditions away from theirs."""
    if len(framing) == size:
        return
    for label in dict.fromkeys(framing):
        findings.warning(
            "order-tears-apart",
            f'{spot.name} puts "{label}" into an order of its own, away from what it belongs to',
            hint,
            at=spot.at,
        )


class NamesCount:
    """Counts the block names of all orders, which are bounded."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._names = 0

    def add(self, names: int) -> None:
        """Count names that were read."""
        self._names += names

    def has_room(self, spot: Spot, names: int) -> bool:
        """Whether an order may have one more name than so many; says so if not."""
        if names >= STUDY_BLOCKS_MAX:
            self._findings.error(
                "study-too-large",
                f"{spot.name} has more than {STUDY_BLOCKS_MAX:,} blocks",
                "trials that an app goes through by itself can be a list in one block's config",
                at=spot.at,
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
