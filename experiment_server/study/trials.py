"""Functions for trials: rows of a table, and the crossing of levels.

They return a list of trials, each a table, which an app presents within a block.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence

from experiment_server.limits.study import DRAW_VALUES_MAX, RUN_WORK_MAX
from experiment_server.study.arguments import (
    ArgumentsInvalid,
    Bound,
    by_name,
    integer_bounds,
    list_bounds,
)
from experiment_server.study.diagnostics import nearest, shown
from experiment_server.study.distinct_values import freeze, is_known, least_distinct
from experiment_server.study.model import PLAIN, Rows, TemplateValue
from experiment_server.study.runs import Kind, Plan, known_order, random_order
from experiment_server.study.value_bounds import ListBounds
from experiment_server.wire.values import JsonObject, JsonValue


def bind_rows(args: TemplateValue) -> JsonObject:
    """The arguments of rows: the rows of a table that have the values in `where`."""
    bound = by_name(args, ("table", "where"), ("table", "where"))
    table = bound.get("table")
    if not isinstance(table, Rows) and not (
        isinstance(table, list) and all(isinstance(row, dict) for row in table) and is_known(table)
    ):
        raise ArgumentsInvalid(
            'needs a table, like args = ["$words", { list = 1 }] with words under '
            "[configuration.tables]; what is drawn from it goes around it"
        )
    where = bound.get("where", {})
    if not isinstance(where, dict):
        raise ArgumentsInvalid(
            f"needs as where a table of columns and their values, got {shown(where)}"
        )
    picked = Rows(table)
    for column, wanted in where.items():
        options = _options(column, wanted)
        picked = Rows(row for row in picked if column in row and _hashable(row[column]) in options)
        if not picked or options - {_hashable(row[column]) for row in picked}:
            # Raises only if no row of the whole table has the value: an earlier column may have
            # excluded its rows.
            _check_column(table, column, wanted)
    if not picked:
        asked = " and ".join(f"{column} = {shown(wanted)}" for column, wanted in where.items())
        raise ArgumentsInvalid(f"finds no row{asked and f' with {asked}'} in {_called(table)}")
    return {"rows": picked}


def draw_rows(_generator: random.Random, bound: Bound) -> list[JsonObject]:
    """The selected rows; nothing is drawn."""
    return list(bound["rows"])


def outcome_of_rows(bound: Bound) -> ListBounds:
    """The selected rows, which are the same for every participant."""
    rows = bound["rows"]
    return ListBounds(rows, len(rows), len(rows), in_place=True)


def _options(column: str, wanted: TemplateValue) -> set[Hashable]:
    """The hashable forms of the values that a row may have in a column."""
    options = wanted if isinstance(wanted, list) else [wanted]
    if not all(isinstance(option, (str, int, float)) for option in options):
        raise ArgumentsInvalid(
            f"needs for {column} in where a value, or a list of values of which each is good, "
            f"got {shown(wanted)}"
        )
    return set(map(_hashable, options))


def _check_column(table: Sequence[JsonObject], column: str, wanted: JsonValue) -> None:
    """Raise ArgumentsInvalid for an unknown column, or a value that no row has in it."""
    columns = dict.fromkeys(name for row in table for name in row)
    if column not in columns:
        close = nearest(column, columns)
        raise ArgumentsInvalid(
            f'has a where for the column "{column}", which {_called(table)} does not have'
            + (f" ({close})" if close else f"; it has {', '.join(columns)}")
        )
    there = {_hashable(row[column]): row[column] for row in table if column in row}
    for option in wanted if isinstance(wanted, list) else [wanted]:
        if _hashable(option) not in there:
            met = ", ".join(map(shown, itertools.islice(there.values(), _SHOWN)))
            more = ", ..." if len(there) > _SHOWN else ""
            raise ArgumentsInvalid(
                f"finds no row with {column} = {shown(option)} in {_called(table)}; "
                f"there are {met}{more}"
            )


_SHOWN = 6


def _called(table: Sequence[JsonObject]) -> str:
    return f"table {table.name}" if isinstance(table, Rows) else "the table"


def _hashable(value: JsonValue) -> Hashable:
    """A hashable form of a value: 1 and 1.0 have the same one, 1 and true do not."""
    return isinstance(value, bool), value if type(value) in PLAIN else freeze(value)


def bind_cross(args: TemplateValue) -> JsonObject:
    """The arguments of cross: levels by factor, the number of repeats, and the order."""
    bound = {
        "repeat": 1,
        "shuffle": True,
        "max_run": {},
        **by_name(args, ("factors", "repeat"), ("factors", "repeat", "shuffle", "max_run")),
    }
    levels = _levels(bound.get("factors"))
    repeat = integer_bounds(bound["repeat"])
    if repeat is None or repeat.least != repeat.most or repeat.least < 1:
        raise ArgumentsInvalid(
            f"needs as repeat a whole number from 1, got {_written(bound['repeat'])}"
        )
    count = repeat.least * math.prod(factor.longest for factor in levels.values())
    if count > DRAW_VALUES_MAX:
        raise ArgumentsInvalid(f"has {count:,} trials; more than {DRAW_VALUES_MAX:,} are too many")
    if not isinstance(bound["shuffle"], bool):
        raise ArgumentsInvalid(f"needs as shuffle true or false, got {_written(bound['shuffle'])}")
    limits = _limits(bound["max_run"], levels)
    if limits and not bound["shuffle"]:
        raise ArgumentsInvalid("needs shuffle = true for max_run, which rules a random order")
    if limits:
        bound["plan"] = _plan(levels, repeat.least, limits)
    return bound


def draw_cross(generator: random.Random, bound: Bound) -> list[JsonObject]:
    """The trials in a random order, or in the order of levels; the last factor varies fastest."""
    factors = bound["factors"]
    repeat: int = bound["repeat"]
    trials = _crossed(factors) * repeat
    if not bound["shuffle"]:
        return trials
    generator.shuffle(trials)
    plan = bound.get("plan")
    if plan is None:
        return trials
    limits = bound["max_run"]
    numbers = {name: _numbers(factors[name]) for name in limits}
    by_kind: dict[Kind, list[JsonObject]] = defaultdict(list)
    for trial in trials:
        by_kind[tuple(numbers[name][freeze(trial[name])] for name in limits)].append(trial)
    return [by_kind[plan.kinds[kind]].pop() for kind in random_order(plan, generator)]


def outcome_of_cross(bound: Bound) -> ListBounds:
    """The bounds of the list of trials: all combinations of levels, times the repeats."""
    factors = bound["factors"]
    levels = {name: _listed(values) for name, values in factors.items()}
    count = bound["repeat"] * math.prod(factor.longest for factor in levels.values())
    distinct = math.prod(map(least_distinct, levels.values()))
    if not is_known(factors):
        # If levels are drawn, nothing but the number of trials is known.
        return ListBounds([{"levels": factors}], count, count, distinct=distinct)
    trials = _crossed(factors)
    if bound["shuffle"]:
        return ListBounds(trials, count, count, distinct=distinct)
    return ListBounds(trials * bound["repeat"], count, count, in_place=True, distinct=distinct)


def _crossed(factors: Mapping[str, Sequence[JsonValue]]) -> list[JsonObject]:
    """A trial for each combination of levels; the last factor varies fastest."""
    return [
        dict(zip(factors, levels, strict=True)) for levels in itertools.product(*factors.values())
    ]


def _levels(factors: TemplateValue) -> dict[str, ListBounds]:
    """The bounds of the levels of each factor; their number is the same for each participant."""
    if not isinstance(factors, dict) or not factors:
        raise ArgumentsInvalid(
            "needs as factors a table with the levels of each factor, "
            'like { side = ["left", "right"], congruent = [true, false] }'
        )
    found = {}
    for name, values in factors.items():
        levels = None if isinstance(values, str) else list_bounds(values)
        if levels is None or levels.shortest < 1:
            raise ArgumentsInvalid(
                f"needs as levels of {name} a list with at least one value, got {_written(values)}"
            )
        if levels.shortest != levels.longest:
            raise ArgumentsInvalid(
                f"needs as many levels of {name} for everybody, and there can be "
                f"{levels.shortest} to {levels.longest}"
            )
        found[name] = levels
    return found


def _listed(values: TemplateValue) -> ListBounds:
    found = list_bounds(values)
    if found is None:
        raise ArgumentsInvalid("has levels that were never checked")
    return found


def _limits(max_run: TemplateValue, levels: Mapping[str, ListBounds]) -> dict[str, int]:
    """The longest run of each limited factor."""
    if not isinstance(max_run, dict):
        raise ArgumentsInvalid(
            f"needs as max_run a table with a number for a factor, like {{ {next(iter(levels))} "
            f"= 2 }}, got {_written(max_run)}"
        )
    for name, limit in max_run.items():
        if name not in levels:
            close = nearest(name, levels)
            raise ArgumentsInvalid(
                f'has a max_run for "{name}", which is none of its factors'
                + (f" ({close})" if close else f": {', '.join(levels)}")
            )
        number = integer_bounds(limit)
        if number is None or number.least != number.most or number.least < 1:
            raise ArgumentsInvalid(
                f"needs for {name} in max_run a whole number from 1, got {_written(limit)}"
            )
    return dict(max_run)


def _plan(levels: Mapping[str, ListBounds], repeat: int, limits: Mapping[str, int]) -> Plan:
    """The kinds of trials for the limits; raises ArgumentsInvalid if no order keeps them."""
    others = math.prod(levels[name].longest for name in levels if name not in limits)
    counts = [Counter(_numbered(name, levels[name])) for name in limits]
    kinds = tuple(itertools.product(*counts))
    met = (
        math.prod(count[value] for count, value in zip(counts, kind, strict=True)) for kind in kinds
    )
    plan = Plan(kinds, tuple(repeat * others * often for often in met), tuple(limits.values()))
    if plan.length * len(kinds) > RUN_WORK_MAX:
        raise ArgumentsInvalid(
            f"has {plan.length:,} trials of {len(kinds):,} kinds, which are too many for max_run; "
            "limit fewer factors, or repeat less"
        )
    if known_order(plan) is None:
        asked = ", ".join(f"{name} = {limit}" for name, limit in limits.items())
        raise ArgumentsInvalid(
            f"has no order of its {plan.length} trials that keeps max_run = {{ {asked} }}; "
            "allow longer runs, or limit one factor only"
        )
    return plan


def _numbered(name: str, levels: ListBounds) -> list[int]:
    """A number for each level; equal levels have the same number."""
    if levels.in_place and is_known(levels.items):
        numbers = _numbers(levels.items)
        return [numbers[freeze(level)] for level in levels.items]
    if least_distinct(levels) < levels.longest:
        raise ArgumentsInvalid(
            f"cannot keep max_run for {name}, of which a level may be drawn twice; "
            "sample draws from different places"
        )
    return list(range(levels.longest))


def _numbers(levels: Sequence[JsonValue]) -> dict[Hashable, int]:
    """A number for each different level, in the order of the list."""
    return {level: number for number, level in enumerate(dict.fromkeys(map(freeze, levels)))}


def _written(value: TemplateValue) -> str:
    return shown(value) if is_known(value) else "what is drawn"
