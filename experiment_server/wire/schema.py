"""Makes JSON Schema from the structs that cross the network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args, get_origin

import msgspec
from msgspec import UNSET, Struct, inspect

from experiment_server.wire.encoding import Encoded
from experiment_server.wire.values import JsonObject

_REFERENCE = "#/components/schemas/{name}"


def schema_components(types: Iterable[object]) -> tuple[list[JsonObject], JsonObject]:
    """The schema of each type, and by name the schemas of the structs that these refer to.

    A member is required if the server always sends it, even if the struct has a default for it.
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
    """Like `schema_components`, for data from clients: members with a default are optional."""
    schemas, components = msgspec.json.schema_components(list(types), ref_template=_REFERENCE)
    return list(schemas), components


def _encoded_type(kind: object) -> object:
    return get_args(kind)[0] if get_origin(kind) is Encoded else kind


def _members(struct: type[Struct]) -> list[tuple[str, bool]]:
    """The wire names of a struct's members, and whether the server always sends each of them."""
    omits = struct.__struct_config__.omit_defaults
    return [
        (item.encode_name, item.required or not (omits or item.default is UNSET))
        for item in msgspec.structs.fields(struct)
    ]


def _structs(types: Iterable[object]) -> set[type[Struct]]:
    """The structs among these types, and all structs that they contain."""
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
