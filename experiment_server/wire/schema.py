"""JSON Schema of what crosses the network, made from the structs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args, get_origin

import msgspec
from msgspec import UNSET, Struct, inspect

from experiment_server.wire.encoding import Encoded
from experiment_server.wire.values import JsonObject

_REFERENCE = "#/components/schemas/{name}"


def schema_components(types: Iterable[object]) -> tuple[list[JsonObject], JsonObject]:
    """A schema for each type, and the schemas of the structs that these refer to, by name.

    A member is required where the server always sends it, also one that has a default here.
    """
    plain = [_encoded_type(item) for item in types]
    schemas, components = msgspec.json.schema_components(plain, ref_template=_REFERENCE)
    for struct in _structs(plain):
        schema = components[struct.__name__]
        schema["required"] = [name for name, sent in _members(struct) if sent]
        for member in schema["properties"].values():
            member.pop("default", None)
    return list(schemas), components


def received_components(types: Iterable[object]) -> tuple[list[JsonObject], JsonObject]:
    """As `schema_components`, for what clients send: what has a default may be left out."""
    schemas, components = msgspec.json.schema_components(list(types), ref_template=_REFERENCE)
    return list(schemas), components


def _encoded_type(kind: object) -> object:
    return get_args(kind)[0] if get_origin(kind) is Encoded else kind


def _members(struct: type[Struct]) -> list[tuple[str, bool]]:
    """A struct's members by their names on the wire, and whether each is always sent."""
    omits = struct.__struct_config__.omit_defaults
    return [
        (item.encode_name, item.required or not (omits or item.default is UNSET))
        for item in msgspec.structs.fields(struct)
    ]


def _structs(types: Iterable[object]) -> set[type[Struct]]:
    """The structs among these types, and all that they are made of."""
    found: set[type[Struct]] = set()
    waiting = list(inspect.multi_type_info(types))
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, inspect.StructType):
            if kind.cls in found:
                continue
            found.add(kind.cls)
            waiting += [item.type for item in kind.fields]
        elif isinstance(kind, inspect.UnionType):
            waiting += kind.types
        elif isinstance(kind, inspect.DictType):
            waiting += [kind.key_type, kind.value_type]
        elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
            waiting.append(kind.item_type)
        elif isinstance(kind, inspect.TupleType):
            waiting += kind.item_types
        elif isinstance(kind, inspect.Metadata):
            waiting.append(kind.type)
    return found
