"""How many values a participant gets of a template, what its calls draw included."""

from __future__ import annotations

from collections.abc import Sequence

from experiment_server.study.model import FunctionCall
from experiment_server.study.value_bounds import ListBounds

_LOOKED_AT = 100


def expected_values(value: object) -> int:
    """About how many values a value consists of once it is expanded, itself among them.

    A list that is drawn counts as its longest; its items count as those that can stand at its
    beginning.
    """
    if isinstance(value, dict):
        return 1 + sum(map(expected_values, value.values()))
    if isinstance(value, list):
        return _of_list(value, len(value))
    if isinstance(value, FunctionCall):
        return expected_values(value.possible)
    return _of_list(value.items, value.longest) if isinstance(value, ListBounds) else 1


def _of_list(items: Sequence[object], length: int) -> int:
    first = items[:_LOOKED_AT]
    return 1 + length * sum(map(expected_values, first)) // max(1, len(first))
