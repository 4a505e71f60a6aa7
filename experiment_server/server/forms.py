"""Streaming parsers for forms, which never hold a whole form in memory.

A handler gets the content of a field in chunks. The parsers are synchronous, so large forms can be
parsed in a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from experiment_server.errors import MediaTypeUnsupported, ParameterInvalid
from experiment_server.limits.results import FORM_FIELD_MAX_BYTES, FORM_FIELDS_MAX
from experiment_server.server.bodies import (
    MULTIPART,
    URLENCODED,
    parse_content_type,
    require_utf_8,
)

FORMS = (URLENCODED, MULTIPART)

ContentWriter = Callable[[bytes], None]
"""Takes a chunk of a field's content."""

FieldHandler = Callable[[str], ContentWriter]
"""Called with the name of each field; returns the function that takes the field's content."""


class FormReader(Protocol):
    """Parses one form. Both methods raise ParameterInvalid and MediaTypeUnsupported."""

    def write(self, piece: bytes) -> None:
        """Parse the next chunk."""

    def close(self) -> None:
        """Parse the end of the form."""


def form_reader(content_type: str, field: FieldHandler) -> FormReader:
    """The parser for a Content-Type; raises MediaTypeUnsupported and ParameterInvalid."""
    media_type, parameters = parse_content_type(content_type)
    if media_type == URLENCODED:
        return UrlencodedForm(field)
    if media_type == MULTIPART:
        return MultipartForm(parameters.get("boundary", ""), field)
    raise MediaTypeUnsupported(f"send a form: {' or '.join(FORMS)}")


class _FieldCounter:
    """Calls the handler for each field, and limits the number of fields."""

    def __init__(self, field: FieldHandler) -> None:
        self._field = field
        self._count = 0

    def begin(self, name: bytes) -> ContentWriter:
        self._count += 1
        if self._count > FORM_FIELDS_MAX:
            raise ParameterInvalid(f"a form may have at most {FORM_FIELDS_MAX} fields")
        return self._field(name.decode("utf-8", "replace"))


class UrlencodedForm:
    """Parses `name=content&name=content`, with `+` and `%20` for a space (WHATWG URL, 5)."""

    def __init__(self, field: FieldHandler) -> None:
        self._fields = _FieldCounter(field)
        self._name = b""
        self._write: ContentWriter | None = None
        # The beginning of a percent escape that continues in the next chunk.
        self._pending = b""

    def write(self, piece: bytes) -> None:
        """Parse the next chunk."""
        # The limit also stops a form that consists of separators.
        part, *parts = piece.split(b"&", FORM_FIELDS_MAX + 1)
        self._write_content(part)
        for part in parts:
            self.close()
            self._write_content(part)

    def close(self) -> None:
        """Parse the end of the form, or of a field."""
        if self._write is None:
            self._write = self._fields.begin(_decoded(self._name))
        self._write(_decoded(self._pending))
        self._name, self._write, self._pending = b"", None, b""

    def _write_content(self, data: bytes) -> None:
        if self._write is None:
            part, equals, data = data.partition(b"=")
            self._name += part
            if len(self._name) > FORM_FIELD_MAX_BYTES:
                raise ParameterInvalid("the name of a field of the form is too long")
            if not equals:
                return
            self._write = self._fields.begin(_decoded(self._name))
        data = self._pending + data
        whole = data.rfind(b"%", max(0, len(data) - 2))
        self._pending = b"" if whole < 0 else data[whole:]
        self._write(_decoded(data[: len(data) - len(self._pending)]))


def _decoded(data: bytes) -> bytes:
    return unquote_to_bytes(data.replace(b"+", b" "))


class MultipartForm:
    """Parses `multipart/form-data` (RFC 7578)."""

    def __init__(self, boundary: str, field: FieldHandler) -> None:
        self._fields = _FieldCounter(field)
        self._write: ContentWriter = _ignore
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary.encode("latin-1"),
                {
                    "on_part_begin": self._headers.clear,
                    "on_header_begin": self._begin_header,
                    "on_header_field": self._append_name,
                    "on_header_value": self._append_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._begin_part,
                    "on_part_data": self._write_content,
                    "on_end": self._end,
                },
            )
        except (FormParserError, ValueError) as error:
            raise _unreadable(error) from None

    def write(self, piece: bytes) -> None:
        """Parse the next chunk."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise _unreadable(error) from None

    def close(self) -> None:
        """Parse the end of the form."""
        self._parser.finalize()
        if not self._ended:
            raise ParameterInvalid("the form cannot be read: it has no end")

    def _begin_header(self) -> None:
        self._name = self._value = b""

    def _append_name(self, data: bytes, start: int, end: int) -> None:
        self._name = _bounded(self._name + data[start:end])

    def _append_value(self, data: bytes, start: int, end: int) -> None:
        self._value = _bounded(self._value + data[start:end])

    def _end_header(self) -> None:
        if len(self._headers) >= FORM_FIELDS_MAX:
            raise ParameterInvalid("a part of the form has too many headers")
        self._headers[self._name.lower()] = self._value

    def _begin_part(self) -> None:
        headers = {name: value.decode("latin-1") for name, value in self._headers.items()}
        require_utf_8(headers.get(b"content-type", ""))
        encoding = headers.get(b"content-transfer-encoding", "binary").strip().lower()
        if encoding not in ("7bit", "8bit", "binary"):
            raise MediaTypeUnsupported(
                f"the parts of a form must not be encoded, got {encoding[:40]!r}"
            )
        _, options = parse_options_header(headers.get(b"content-disposition", ""))
        if b"name" not in options:
            raise ParameterInvalid("the form cannot be read: a part of it has no name")
        self._write = self._fields.begin(options[b"name"])

    def _write_content(self, data: bytes, start: int, end: int) -> None:
        self._write(data[start:end])

    def _end(self) -> None:
        self._ended = True


def _ignore(_piece: bytes) -> None:
    """Ignore the content of a part without a handler."""


def _bounded(header: bytes) -> bytes:
    if len(header) > FORM_FIELD_MAX_BYTES:
        raise ParameterInvalid("a header of a part of the form is too long")
    return header


def _unreadable(error: Exception) -> ParameterInvalid:
    return ParameterInvalid(f"the form cannot be read: {error}")
