"""JSON Schema of what crosses the network, made from the structs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args, get_origin

import msgspec

from experiment_server.wire.encoding import Encoded
from experiment_server.wire.values import JsonObject

_REFERENCE = "#/components/schemas/{name}"


def schema_components(types: Iterable[object]) -> tuple[list[JsonObject], JsonObject]:
    """A schema for each type, and the schemas of the structs that these refer to, by name."""
    plain = [_encoded_type(item) for item in types]
    schemas, components = msgspec.json.schema_components(plain, ref_template=_REFERENCE)
    return list(schemas), components


def _encoded_type(kind: object) -> object:
    return get_args(kind)[0] if get_origin(kind) is Encoded else kind
