"""Writes the TypeScript types of the wire contract, from the JSON Schema of the server's structs.

    python web/generate_types.py

makes `web/src/wire.ts`, with all that the dashboard speaks, and `clients/js/src/wire.ts`, with what
a participant's app does. A test fails while one of them is not current.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from experiment_server.session.operations import Kind, Operation, Parameter, Requirement
from experiment_server.session.requests import Role
from experiment_server.session.session import OPERATIONS
from experiment_server.wire.pushes import APP_EVENTS, DASHBOARD_EVENTS
from experiment_server.wire.replies import ErrorInfo
from experiment_server.wire.schema import received_components, schema_components
from experiment_server.wire.values import JsonObject

ROOT = Path(__file__).parents[1]

_HEADING = """\
// Made from experiment_server/wire by web/generate_types.py: `make protocol` renews it.

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type Config = { [key: string]: Json };
"""
_PRIMITIVES = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
}
_PARAMETERS = {
    Kind.INTEGER: "number",
    Kind.BOOLEAN: "boolean",
    Kind.TEXT: "string",
    Kind.OBJECT: "Config",
}


def files() -> dict[Path, str]:
    """The generated files, each with what it has to hold."""
    for_apps = [item for item in OPERATIONS.values() if Role.PARTICIPANT in item.roles]
    return {
        ROOT / "web" / "src" / "wire.ts": _module(OPERATIONS.values(), DASHBOARD_EVENTS),
        ROOT / "clients" / "js" / "src" / "wire.ts": _module(for_apps, APP_EVENTS),
    }


def _module(operations: Iterable[Operation], events: Mapping[str, object]) -> str:
    operations = list(operations)
    types = [item.result for item in operations] + list(events.values()) + [ErrorInfo]
    schemas, components = schema_components(types)
    results, payloads = schemas[: len(operations)], schemas[len(operations) : -1]
    components |= received_components(_received(operations))[1]
    parts = [_HEADING]
    parts += [_interface(name, components[name]) for name in sorted(components)]
    parts.append(
        _record(
            "What can be asked over a socket: parameters, and what is answered.",
            "Operations",
            (
                (item.name, item.summary, f"[{_parameters(item)}, {_type(result)}]")
                for item, result in zip(operations, results, strict=True)
            ),
        )
    )
    parts.append(
        _record(
            "What is pushed.",
            "ServerEvents",
            (
                (name, "", f"({'' if payload is None else f'payload: {_type(schema)}'}) => void")
                for (name, payload), schema in zip(events.items(), payloads, strict=True)
            ),
        )
    )
    return "\n".join(parts)


def _interface(name: str, schema: JsonObject) -> str:
    return "".join(
        [
            _comment(schema.get("description", "")),
            f"export interface {name} {{\n",
            *_members(schema),
            "}\n",
        ]
    )


def _members(schema: JsonObject) -> Iterator[str]:
    for name, member in schema["properties"].items():
        mark = "" if name in schema.get("required", ()) else "?"
        yield _comment(member.get("description", ""), "  ")
        yield f"  {name}{mark}: {_type(member)};\n"


def _record(summary: str, name: str, members: Iterable[tuple[str, str, str]]) -> str:
    lines = [_comment(summary), f"export interface {name} {{\n"]
    for member, comment, kind in members:
        lines += [_comment(comment, "  "), f"  {json.dumps(member)}: {kind};\n"]
    return "".join([*lines, "}\n"])


def _parameters(operation: Operation) -> str:
    given = [_parameter(item) for item in operation.parameters]
    if operation.changes:
        given.append("request_id?: string")
    return f"{{ {'; '.join(given)} }}" if given else "Record<string, never>"


def _parameter(parameter: Parameter) -> str:
    mark = "" if parameter.requirement is Requirement.REQUIRED else "?"
    if parameter.kind is Kind.LIST:
        (schema,), _ = received_components([parameter.value_type])
        return f"{parameter.name}{mark}: {_type(schema)}"
    return f"{parameter.name}{mark}: {_PARAMETERS[parameter.kind]}"


def _received(operations: Iterable[Operation]) -> list[object]:
    """The types of the lists that clients send."""
    parameters = (item for operation in operations for item in operation.arguments)
    return [item.value_type for item in parameters if item.kind is Kind.LIST]


def _type(schema: JsonObject) -> str:
    """The type of a schema, as far as the server's structs make schemas."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " | ".join(_type(item) for item in schema["anyOf"])
    kind = schema.get("type")
    if kind is None:
        return "Json"
    if kind == "array":
        return _array(schema)
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"Record<string, {_type(values)}>" if values else "Config"
    return _PRIMITIVES[kind]


def _array(schema: JsonObject) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(map(_type, schema['prefixItems']))}]"
    item = _type(schema["items"])
    return f"({item})[]" if " | " in item else f"{item}[]"


def _comment(text: str, indent: str = "") -> str:
    return f"{indent}/** {' '.join(text.split())} */\n" if text else ""


def main() -> None:
    """Write the files."""
    for path, text in files().items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
