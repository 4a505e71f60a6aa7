"""Forms, read piece by piece: none is in the memory as a whole, whatever it has.

What is called for a field gets its content as it comes. These readers wait for nothing and know no
event loop, so that large forms can be read in a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from experiment_server.errors import MediaTypeUnsupported, ParameterInvalid
from experiment_server.limits import FORM_FIELD_MAX_BYTES, FORM_FIELDS_MAX
from experiment_server.server.bodies import (
    MULTIPART,
    URLENCODED,
    parse_content_type,
    require_utf_8,
)

FORMS = (URLENCODED, MULTIPART)

Take = Callable[[bytes], None]
"""Takes a piece of a field's content."""

Field = Callable[[str], Take]
"""Called with a field's name when it begins; what it returns takes the content."""


class Form(Protocol):
    """Reads one form. Both raise ParameterInvalid, and MediaTypeUnsupported."""

    def feed(self, piece: bytes) -> None:
        """Read the next piece."""

    def close(self) -> None:
        """Read the end."""


def form(content_type: str, field: Field) -> Form:
    """The reader for a Content-Type; raises MediaTypeUnsupported, ParameterInvalid."""
    media_type, parameters = parse_content_type(content_type)
    if media_type == URLENCODED:
        return UrlencodedForm(field)
    if media_type == MULTIPART:
        return MultipartForm(parameters.get("boundary", ""), field)
    raise MediaTypeUnsupported(f"send a form: {' or '.join(FORMS)}")


class _Fields:
    """Begins fields, up to the bound on how many."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._count = 0

    def begin(self, name: bytes) -> Take:
        self._count += 1
        if self._count > FORM_FIELDS_MAX:
            raise ParameterInvalid(
                f"a form may have {FORM_FIELDS_MAX} fields, and this one has more"
            )
        return self._field(name.decode("utf-8", "replace"))


class UrlencodedForm:
    """`name=content&name=content`, with `+` and `%20` for a space (WHATWG URL, 5)."""

    def __init__(self, field: Field) -> None:
        self._fields = _Fields(field)
        self._name = b""
        self._take: Take | None = None
        # The beginning of an escape whose end is in the next piece.
        self._held = b""

    def feed(self, piece: bytes) -> None:
        """Read the next piece."""
        # Whoever sends nothing but separators is told so after the first few.
        more, *others = piece.split(b"&", FORM_FIELDS_MAX + 1)
        self._more(more)
        for more in others:
            self.close()
            self._more(more)

    def close(self) -> None:
        """Read the end: of the form, or of a field."""
        if self._take is None:
            self._take = self._fields.begin(_decoded(self._name))
        self._take(_decoded(self._held))
        self._name, self._take, self._held = b"", None, b""

    def _more(self, data: bytes) -> None:
        if self._take is None:
            part, equals, data = data.partition(b"=")
            self._name += part
            if len(self._name) > FORM_FIELD_MAX_BYTES:
                raise ParameterInvalid("the name of a field of the form is too long")
            if not equals:
                return
            self._take = self._fields.begin(_decoded(self._name))
        data = self._held + data
        whole = data.rfind(b"%", max(0, len(data) - 2))
        self._held = b"" if whole < 0 else data[whole:]
        self._take(_decoded(data[: len(data) - len(self._held)]))


def _decoded(data: bytes) -> bytes:
    return unquote_to_bytes(data.replace(b"+", b" "))


class MultipartForm:
    """`multipart/form-data` (RFC 7578)."""

    def __init__(self, boundary: str, field: Field) -> None:
        self._fields = _Fields(field)
        self._take: Take = _nothing
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary.encode("latin-1"),
                {
                    "on_part_begin": self._headers.clear,
                    "on_header_begin": self._begin_header,
                    "on_header_field": self._more_name,
                    "on_header_value": self._more_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._begin,
                    "on_part_data": self._more,
                    "on_end": self._end,
                },
            )
        except (FormParserError, ValueError) as error:
            raise _unreadable(error) from None

    def feed(self, piece: bytes) -> None:
        """Read the next piece."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise _unreadable(error) from None

    def close(self) -> None:
        """Read the end."""
        self._parser.finalize()
        if not self._ended:
            raise ParameterInvalid("the form cannot be read: it has no end")

    def _begin_header(self) -> None:
        self._name = self._value = b""

    def _more_name(self, data: bytes, start: int, end: int) -> None:
        self._name = _bounded(self._name + data[start:end])

    def _more_value(self, data: bytes, start: int, end: int) -> None:
        self._value = _bounded(self._value + data[start:end])

    def _end_header(self) -> None:
        if len(self._headers) >= FORM_FIELDS_MAX:
            raise ParameterInvalid("a part of the form has too many headers")
        self._headers[self._name.lower()] = self._value

    def _begin(self) -> None:
        headers = {name: value.decode("latin-1") for name, value in self._headers.items()}
        require_utf_8(headers.get(b"content-type", ""))
        encoding = headers.get(b"content-transfer-encoding", "binary").strip().lower()
        if encoding not in ("7bit", "8bit", "binary"):
            raise MediaTypeUnsupported(f"parts come as they are here, not as {encoding[:40]!r}")
        _, options = parse_options_header(headers.get(b"content-disposition", ""))
        if b"name" not in options:
            raise ParameterInvalid("the form cannot be read: a part of it has no name")
        self._take = self._fields.begin(options[b"name"])

    def _more(self, data: bytes, start: int, end: int) -> None:
        self._take(data[start:end])

    def _end(self) -> None:
        self._ended = True


def _nothing(_piece: bytes) -> None:
    """Take what nobody asked for."""


def _bounded(header: bytes) -> bytes:
    if len(header) > FORM_FIELD_MAX_BYTES:
        raise ParameterInvalid("a header of a part of the form is too long")
    return header


def _unreadable(error: Exception) -> ParameterInvalid:
    return ParameterInvalid(f"the form cannot be read: {error}")
