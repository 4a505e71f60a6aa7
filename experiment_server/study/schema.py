"""The JSON Schema of a study file; editors use it for completion and checks."""

from __future__ import annotations

from collections.abc import Mapping

from experiment_server.study.functions import FUNCTIONS
from experiment_server.study.keys import BLOCK, CALL, CONFIGURATION, FILE, GROUP, Key
from experiment_server.wire.values import JsonObject


def json_schema() -> JsonObject:
    """The schema (draft 2020-12). It checks shapes and names; `verify` checks everything."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A study for experiment-server",
        **_table(FILE, required=["blocks"]),
        "$defs": {
            "configuration": _table(CONFIGURATION),
            "block": {
                **_table(BLOCK, required=["name"]),
                "anyOf": [{"required": [key]} for key in ("config", "extends", "factors")],
            },
            "group": _table(GROUP, required=["blocks"]),
            "settings": {
                "type": "object",
                "additionalProperties": {"$ref": "#/$defs/setting"},
            },
            "setting": {
                "if": {
                    "type": "object",
                    "required": ["function_name"],
                    "propertyNames": {"enum": list(CALL)},
                },
                "then": {"$ref": "#/$defs/call"},
                "else": {
                    "if": {"type": "object"},
                    "then": {"$ref": "#/$defs/settings"},
                    "else": {"items": {"$ref": "#/$defs/setting"}},
                },
            },
            "call": _table(CALL, required=["function_name"]),
            "function": {
                "oneOf": [
                    {"const": function.name, "description": function.signature}
                    for function in FUNCTIONS.values()
                ]
            },
        },
    }


def _table(keys: Mapping[str, Key], required: list[str] | None = None) -> JsonObject:
    return {
        "type": "object",
        "properties": {
            name: {"description": key.description, **key.shape} for name, key in keys.items()
        },
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }
