"""Suggests an order tree for a classic order that would be shorter as a tree."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from experiment_server.limits.study import TREE_HINT_NAMES_MAX, TREE_HINT_TURNS_MAX
from experiment_server.study.diagnostics import Findings, shown
from experiment_server.study.draws import Draws
from experiment_server.study.families import Families
from experiment_server.study.model import BlockTemplate, Order
from experiment_server.study.order_checks import written_as
from experiment_server.study.ordering import OrderedGroup, ordered_row
from experiment_server.study.reading import SECTION, Location, NamesCount
from experiment_server.study.rewriting import Item, Rewriter
from experiment_server.study.trees import TreeReader
from experiment_server.wire.values import JsonValue

SHORTER = 0.75
"""The largest length of a suggested tree, as a share of the order's text: a few saved characters
are no reason to rewrite it."""

SHUFFLES_COMPARED = 24


def hint_at_tree(
    order: Order,
    configuration: Mapping[str, JsonValue],
    templates: Mapping[str, BlockTemplate],
    families: Families,
    findings: Findings,
) -> None:
    """Add a hint if a shorter tree produces the same orders as a classic order.

    The study must have no errors and no between-subjects factors.
    """
    names = sum(len(group) for groups in order.rows for group in groups)
    if order.trees or "order" not in configuration or names > TREE_HINT_NAMES_MAX:
        return
    keys = [written_as(configuration, key) for key in ("groups_strategy", "within_groups_strategy")]
    replaced = ["order", *(key for key in keys if key in configuration)]
    instead = f" in place of {' and '.join(replaced)}" if len(replaced) > 1 else ""
    now = sum(len(f"{key} = {_toml(configuration[key])}") for key in replaced)
    for tree in sorted(Rewriter(families).trees(order), key=lambda tree: len(_toml(tree))):
        text = f"order = {_toml(tree)}"
        if len(text) > now * SHORTER:
            return
        dealt = _comparison(order, tree, templates, families)
        if dealt is not None:
            findings.info(
                "order-shorter-as-tree",
                "the order would be shorter as a tree",
                f"{text}{instead} {dealt}",
                at=(SECTION, "order"),
            )
            return


def _comparison(
    order: Order,
    tree: list[Item],
    templates: Mapping[str, BlockTemplate],
    families: Families,
) -> str | None:
    """The hint for a tree that produces the same orders; None for any other tree."""
    findings = Findings("")
    reader = TreeReader(templates, families, {}, NamesCount(findings), findings)
    group = OrderedGroup(reader.read(Location("order", (SECTION, "order")), list(tree)))
    if findings.all():
        return None
    rows = [ordered_row(order, 0, frozenset(), row, 0) for row in range(len(order.rows))]
    turns = math.lcm(len(rows), group.period(), *(row.period() for row in rows))
    if turns > TREE_HINT_TURNS_MAX:
        return None

    def in_rows(turn: int, draws: Draws) -> tuple[str, ...]:
        return tuple(rows[turn % len(rows)].names(turn, draws))

    def in_tree(turn: int, draws: Draws) -> tuple[str, ...]:
        return tuple(group.names(turn, draws))

    # A shuffled order has no cycle; this number of participants shows whether both are the same.
    if all(
        in_rows(turn, Draws(0, turn + 1)) == in_tree(turn, Draws(0, turn + 1))
        for turn in range(max(turns, SHUFFLES_COMPARED))
    ):
        return "deals the same orders"
    met_in_rows, met_in_tree = (
        Counter(dealt(turn, Draws(0, 1)) for turn in range(turns)) for dealt in (in_rows, in_tree)
    )
    if met_in_rows != met_in_tree:
        return None
    return "deals the same orders, to other participants: not for a study that is running"


def _toml(value: JsonValue) -> str:
    """A value in one line of TOML."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(item)}' for key, item in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return shown(value)
