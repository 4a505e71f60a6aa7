"""Draws of values: a template's value is prepared once, and drawn for each participant."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cached_property

from experiment_server.errors import ExpansionFailed
from experiment_server.study.functions import FUNCTIONS, MAX_DRAWS, TooFewValues, UsedValues
from experiment_server.study.model import PLAIN, FunctionCall, Rows, TemplateValue
from experiment_server.wire.values import JsonValue


class Draws:
    """The random generator and the used values of one participant, for one row of the design.

    By default, a participant's row is their index.
    """

    def __init__(self, seed: int, row: int, participant_index: int | None = None) -> None:
        self.row = row
        self.participant_index = row if participant_index is None else participant_index
        self._seed = seed + row
        self._used: dict[str, UsedValues] = {}

    @cached_property
    def generator(self) -> random.Random:
        """The row's generator, seeded at first use: it takes half of an expansion."""
        return random.Random(self._seed)

    def used(self, group: str) -> UsedValues:
        """The values that a group of unique calls has drawn."""
        used = self._used.get(group)
        if used is None:
            used = self._used[group] = UsedValues()
        return used


Draw = Callable[[Draws], JsonValue]
"""Returns a new value for one participant; raises ExpansionFailed."""


def has_calls(value: TemplateValue) -> bool:
    """Whether a value contains a call."""
    if isinstance(value, (dict, list)) and not isinstance(value, Rows):
        return any(map(has_calls, value.values() if isinstance(value, dict) else value))
    return isinstance(value, FunctionCall)


def prepared(value: TemplateValue, *, as_argument: bool = False) -> Draw:
    """A function that returns a new copy of a value in which every call is drawn.

    An argument of a call is not copied, because the call's result is: a table can have many rows.
    """
    if isinstance(value, FunctionCall):
        return _call(value, as_argument=as_argument)
    if isinstance(value, Rows):
        return (lambda _: value) if as_argument else (lambda _: _copied(value))
    if not isinstance(value, (dict, list)):
        return lambda _: value
    items = list(value.items() if isinstance(value, dict) else enumerate(value))
    parts = [
        (key, prepared(item, as_argument=as_argument))
        for key, item in items
        if type(item) not in PLAIN
    ]
    copy = value.copy
    if not parts:
        return lambda _: copy()

    def draw(draws: Draws) -> JsonValue:
        container = copy()
        for key, part in parts:
            container[key] = part(draws)
        return container

    return draw


def _call(call: FunctionCall, *, as_argument: bool) -> Draw:
    function, bound = FUNCTIONS[call.function_name], call.bound
    if bound is not None and call.function_name == "choices" and bound.keys() == {"population"}:
        population = bound["population"]
        if all(type(item) in PLAIN for item in population):
            return _unique_choice(call, population) if call.unique else _choice(population)
    arguments = prepared(call.args if bound is None else None, as_argument=True)

    def drawn(draws: Draws) -> JsonValue:
        mine = bound if bound is not None else function.bind(arguments(draws))
        if call.unique:
            value = function.draw_unique(draws.generator, mine, draws.used(call.group))
        else:
            value = function.draw(draws.generator, mine)
        # The result may contain parts of the arguments, even the same part twice.
        return value if as_argument else _copied(value)

    return _with_expansion_errors(call, drawn)


def _with_expansion_errors(call: FunctionCall, drawn: Draw) -> Draw:
    """A draw that raises ExpansionFailed with the call's path for any error."""

    def draw(draws: Draws) -> JsonValue:
        try:
            return drawn(draws)
        except TooFewValues as problem:
            raise ExpansionFailed(
                f"participant {draws.participant_index}: {problem} for them",
                "unique-exhausted",
                call.at,
            ) from None
        except Exception as error:
            raise ExpansionFailed(
                f"participant {draws.participant_index}: {call.function_name} failed: {error}",
                "function-failed",
                call.at,
            ) from error

    return draw


def _copied(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [item if type(item) in PLAIN else _copied(item) for item in value]
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return value


def _choice(population: Sequence[JsonValue]) -> Draw:
    """A draw of one plain value, the most common call; it equals `choices` but takes less time."""
    size = len(population)
    return lambda draws: [population[int(draws.generator.random() * size)]]


def _unique_choice(call: FunctionCall, population: Sequence[JsonValue]) -> Draw:
    """The same as `_choice`, but without values that were drawn before."""
    function, bound, size = FUNCTIONS[call.function_name], call.bound or {}, len(population)
    draw_unused = _with_expansion_errors(
        call, lambda draws: function.draw_unused(draws.generator, bound, draws.used(call.group))
    )

    def draw(draws: Draws) -> JsonValue:
        values, random_number = draws.used(call.group).values, draws.generator.random
        for _ in range(MAX_DRAWS):
            value = population[int(random_number() * size)]
            # A plain value is its own hashable form.
            if value not in values:
                values.add(value)
                return [value]
        return draw_unused(draws)

    return draw
