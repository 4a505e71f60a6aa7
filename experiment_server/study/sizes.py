"""Estimates the number of values that a participant gets from a template."""

from __future__ import annotations

from collections.abc import Sequence

from experiment_server.study.model import FunctionCall
from experiment_server.study.value_bounds import ListBounds

_EXAMINED_ITEMS = 100


def expected_values(value: object) -> int:
    """The approximate number of values in a value after expansion, including itself.

    A drawn list counts with its largest length. Only the first items of a list are examined; each
    item counts as many values as these have on average.
    """
    if isinstance(value, dict):
        return 1 + sum(map(expected_values, value.values()))
    if isinstance(value, list):
        return _of_list(value, len(value))
    if isinstance(value, FunctionCall):
        return expected_values(value.possible)
    return _of_list(value.items, value.longest) if isinstance(value, ListBounds) else 1


def _of_list(items: Sequence[object], length: int) -> int:
    first = items[:_EXAMINED_ITEMS]
    return 1 + length * sum(map(expected_values, first)) // max(1, len(first))
