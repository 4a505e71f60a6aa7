"""Checks values in study files and in messages from clients.

Every client must read a value as it was written, from JSON and from MessagePack:

- text is valid Unicode without the character NUL, which PostgreSQL cannot keep;
- whole numbers have 64 bits, as TOML has them and as C# and the databases can hold them;
- other numbers are finite;
- keys are text, and nothing is nested deeper than `STUDY_NESTING_MAX`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from experiment_server.limits.study import STUDY_NESTING_MAX
from experiment_server.wire.values import JsonValue

_NAME_SHOWN = 120

_Problem = tuple[list[str | int], str]


def text_problem(text: str) -> str | None:
    """The problem of a text, for example "is not valid Unicode"; None for a valid text."""
    if "\0" in text:
        return "has the character NUL in it"
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            return f"is not valid Unicode: its character {error.start + 1} is half of a pair"
    return None


def scalar_problem(value: object) -> str | None:
    """The problem of a value that contains no other values; None for a valid value."""
    if isinstance(value, str):
        return text_problem(value)
    if isinstance(value, float):
        return (
            None
            if math.isfinite(value)
            else f"is {value}, which JSON cannot carry to the participants' apps"
        )
    if isinstance(value, int):
        return None if -(2**63) <= value < 2**63 else "does not fit into 64 bits"
    if value is None:
        return None
    return f"is of the type {type(value).__name__}, which JSON does not have"


def problem(value: object, name: str, depth: int = 1) -> str | None:
    """The first problem in a value and the values inside it; None for a valid value.

    It is a sentence that begins with the path, like `patch.size[3] is inf, ...`. `depth` is the
    nesting depth of the value, including itself.
    """
    if type(value) is int and -(2**63) <= value < 2**63:
        return None
    found = _problem(value, depth)
    if found is None:
        return None
    path, wrong = found
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in reversed(path))
    where = (name + "".join(steps)).removeprefix(".")
    return f"{where if len(where) <= _NAME_SHOWN else f'{where[:_NAME_SHOWN]}...'} {wrong}"


def _problem(value: object, depth: int) -> _Problem | None:
    """The path of the problem, with the innermost step first, and the problem."""
    # The path is built only on return from a problem, because nearly all values are valid.
    if not isinstance(value, dict | list):
        wrong = scalar_problem(value)
        return ([], wrong) if wrong else None
    if depth > STUDY_NESTING_MAX:
        return [], f"is nested more than {STUDY_NESTING_MAX} deep"
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for step, item in items:
        if isinstance(value, dict) and (wrong := _key_problem(step)):
            return [], f"has the key {step!r:.{_NAME_SHOWN}}, which {wrong}"
        kind = type(item)
        if kind is bool or (kind is str and item.isascii() and "\0" not in item):
            continue
        found = _problem(item, depth + 1)
        if found is not None:
            found[0].append(step)
            return found
    return None


def _key_problem(key: object) -> str | None:
    return text_problem(key) if isinstance(key, str) else "is no text"


def inside(values: Iterable[JsonValue]) -> list[JsonValue]:
    """The values inside those values that are tables or lists, one level down."""
    return [
        item
        for container in values
        if isinstance(container, (dict, list))
        for item in (container.values() if isinstance(container, dict) else container)
    ]
