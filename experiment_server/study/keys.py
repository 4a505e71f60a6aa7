"""Declares every key of a study file once, with its purpose and the shape of its value.

The parser warns about all other keys, and the JSON Schema is generated from these declarations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from experiment_server.study.model import BetweenStrategy, Strategy
from experiment_server.wire.values import JsonValue

Shape = Mapping[str, JsonValue]
"""A piece of JSON Schema (2020-12)."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key: the description of its value, and the JSON Schema of its value."""

    description: str
    shape: Shape


END_STRATEGIES = (Strategy.AS_IS, Strategy.RANDOMIZE)

NAME: Shape = {"type": ["string", "integer"]}
NAMES: Shape = {"type": "array", "items": NAME}
GROUPS: Shape = {
    "anyOf": [
        {**NAMES, "minItems": 1},
        {"type": "array", "items": {"anyOf": [{**NAMES, "minItems": 1}, NAME]}, "minItems": 1},
    ]
}
TREE: Shape = {
    "type": "array",
    "items": {"anyOf": [NAME, {"$ref": "#/$defs/group"}]},
    "minItems": 1,
}


def _by_participant(row: Shape) -> Shape:
    """The schema of one row for all participants, or a table with a row for each participant."""
    table = {
        "type": "object",
        "patternProperties": {"^[1-9][0-9]*$": row},
        "additionalProperties": False,
        "minProperties": 1,
    }
    return {"anyOf": [row, table]}


def _one_of(*values: Strategy | BetweenStrategy) -> Shape:
    return {"enum": [value.value for value in values]}


FILE: Mapping[str, Key] = {
    "configuration": Key(
        "Who gets which blocks in which order.", {"$ref": "#/$defs/configuration"}
    ),
    "blocks": Key(
        "The blocks, each written as [[blocks]].",
        {"type": "array", "items": {"$ref": "#/$defs/block"}, "minItems": 1},
    ),
}

CONFIGURATION: Mapping[str, Key] = {
    "order": Key(
        "The blocks in order: a list of names and of groups, each group a table with blocks and a "
        "strategy of its own; or a list of lists of names; or a table with a list for each "
        "participant, 1 to n, which starts over after n. Without it all blocks come in file order.",
        {"anyOf": [_by_participant(GROUPS), TREE]},
    ),
    "groups_strategy": Key(
        "How the groups are put into an order for a participant; with a flat list, its blocks.",
        _one_of(*Strategy),
    ),
    "within_groups_strategy": Key(
        "How the blocks inside each group are put into an order for a participant.",
        _one_of(*Strategy),
    ),
    "groups": Key("The older name of groups_strategy.", _one_of(*Strategy)),
    "within_groups": Key("The older name of within_groups_strategy.", _one_of(*Strategy)),
    "init_blocks": Key(
        "Blocks before the first group, for everybody or in a table by participant.",
        _by_participant(NAMES),
    ),
    "final_blocks": Key(
        "Blocks after the last group, for everybody or in a table by participant.",
        _by_participant(NAMES),
    ),
    "init_blocks_strategy": Key("How init_blocks are put into an order.", _one_of(*END_STRATEGIES)),
    "final_blocks_strategy": Key(
        "How final_blocks are put into an order.", _one_of(*END_STRATEGIES)
    ),
    "random_seed": Key(
        "The number that all randomness comes from, together with the participant's index. "
        "Leave it alone while a study is running.",
        {"type": "integer", "default": 0},
    ),
    "variables": Key(
        'Values by name; a setting that is exactly "$NAME" becomes the value of NAME.',
        {"type": "object"},
    ),
    "tables": Key(
        "Tables by name, each from a CSV or JSON Lines file beside the study; a setting that is "
        'exactly "$NAME" becomes the list of its rows, and rows, sample and shuffle draw from it.',
        {
            "type": "object",
            "additionalProperties": {
                "type": "string",
                "pattern": r"\.([cC][sS][vV]|[jJ][sS][oO][nN][lL])$",
            },
        },
    ),
    "factors": Key(
        "Factors by name, each with the list of its levels; a block that lists factors stands for "
        "one block per combination.",
        {
            "type": "object",
            "additionalProperties": {
                "type": "array",
                "items": {"type": ["string", "number", "boolean"]},
                "minItems": 1,
                "uniqueItems": True,
            },
        },
    ),
    "between": Key(
        "The factors of which each participant gets one level only (between-subjects).",
        {"type": "array", "items": {"type": "string"}},
    ),
    "between_strategy": Key(
        "How the levels of between-subjects factors are given out: in turn, or in a random order "
        "in each run of as many participants as there are cells.",
        _one_of(*BetweenStrategy),
    ),
}

BLOCK: Mapping[str, Key] = {
    "name": Key(
        "The block's name, one of a kind. With factors it has a place for each, "
        'like "point-{size}".',
        NAME,
    ),
    "config": Key(
        "What the participant's app gets in this block: any settings. Tables with function_name "
        "are drawn anew for each participant.",
        {"$ref": "#/$defs/settings"},
    ),
    "extends": Key("The name of a block whose config this one takes over and adds to.", NAME),
    "factors": Key(
        "The factors that this block is crossed by.",
        {"type": "array", "items": {"type": "string"}},
    ),
    "condition": Key(
        "false for practice, instructions, questionnaires and breaks: the design report leaves "
        "them out.",
        {"type": "boolean", "default": True},
    ),
}

GROUP: Mapping[str, Key] = {
    "blocks": Key(
        "What is in the group: names of blocks, and groups. What is inside an item stays together.",
        TREE,
    ),
    "strategy": Key("How the items are put into an order for a participant.", _one_of(*Strategy)),
    "each": Key(
        "A factor: the group has its blocks once for each level, and {factor} in their names "
        "means that level.",
        {"type": "string"},
    ),
    "pick": Key(
        "How many items a participant meets: the first ones after ordering.",
        {"type": "integer", "minimum": 1},
    ),
    "label": Key("What reports call the group.", {"type": "string"}),
}

CALL: Mapping[str, Key] = {
    "function_name": Key("The function to draw from.", {"$ref": "#/$defs/function"}),
    "args": Key(
        "Its arguments: a list as in a call (so a list of values is written in a list), or a "
        "table by name.",
        {"type": ["array", "object", "string"]},
    ),
    "params": Key(
        "unique = true: no value twice for a participant, in all calls that are written alike or "
        "have the same id.",
        {
            "type": "object",
            "properties": {"unique": {"type": "boolean"}},
            "additionalProperties": False,
        },
    ),
    "id": Key("A name for calls that share their unique values.", {"type": ["string", "integer"]}),
}
