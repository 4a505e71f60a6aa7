"""Encodes structs and plain values as JSON and MessagePack."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

Value = TypeVar("Value")
Decoded = TypeVar("Decoded")


class Encoded(Generic[Value]):
    """A value with its encodings; each is made once, when it is first needed.

    Both encoders encode it like its value.
    """

    __slots__ = ("_json", "_msgpack", "value")

    def __init__(self, value: Value) -> None:
        self.value = value
        self._json: bytes | None = None
        self._msgpack: bytes | None = None

    @property
    def json(self) -> bytes:
        """Compact JSON as UTF-8."""
        if self._json is None:
            self._json = to_json_bytes(self.value)
        return self._json

    @property
    def msgpack(self) -> bytes:
        """MessagePack."""
        if self._msgpack is None:
            self._msgpack = to_msgpack(self.value)
        return self._msgpack


def _as_json(value: object) -> msgspec.Raw:
    if isinstance(value, Encoded):
        return msgspec.Raw(value.json)
    raise NotImplementedError(type(value))


def _as_msgpack(value: object) -> msgspec.Raw:
    if isinstance(value, Encoded):
        return msgspec.Raw(value.msgpack)
    raise NotImplementedError(type(value))


to_json_bytes = msgspec.json.Encoder(enc_hook=_as_json).encode
"""Compact JSON as UTF-8 bytes."""

to_msgpack = msgspec.msgpack.Encoder(enc_hook=_as_msgpack).encode
"""MessagePack bytes."""


def to_json(value: object) -> str:
    """Compact JSON text."""
    return to_json_bytes(value).decode()


def from_json(text: str | bytes, kind: type[Decoded]) -> Decoded:
    """Decode JSON that the server wrote into a type; raises msgspec.ValidationError."""
    return msgspec.json.decode(text, type=kind)


def from_msgpack(data: bytes, kind: type[Decoded]) -> Decoded:
    """Decode MessagePack that the server wrote into a type; raises msgspec.ValidationError."""
    return msgspec.msgpack.decode(data, type=kind)
