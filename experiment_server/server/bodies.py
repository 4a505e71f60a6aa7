"""Request bodies: only UTF-8, not compressed, and of limited size.

Compressed bodies are refused, because one megabyte may unpack to a thousand.

aiohttp decodes a form in any charset that the client names, and some of Python's codecs take hours
for one body. Its parser of Content-Type is slow as well. So this module does not use aiohttp's
`content_type`, `charset`, `text`, `json` and `post`.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from aiohttp import web

from experiment_server.errors import MediaTypeUnsupported, ParameterInvalid

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

# ASCII is a subset of UTF-8, and some programs declare it.
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


def parse_content_type(header: str) -> tuple[str, dict[str, str]]:
    """The media type, and its parameters by name; type and names are in lower case."""
    media_type, *parameters = header.split(";")
    pairs = (item.partition("=") for item in parameters if item.strip())
    named = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
    return media_type.strip().lower(), named


def media_type(request: web.Request) -> str:
    """The media type of a request's body in lower case; empty if the header is missing."""
    return parse_content_type(request.headers.get("Content-Type", ""))[0]


def require_utf_8(header: str) -> None:
    """Raise MediaTypeUnsupported if a Content-Type declares another charset."""
    for name, value in parse_content_type(header)[1].items():
        if name == "charset" and value.lower() in _UTF_8:
            continue
        # In RFC 2231, parameters may have their own charset: charset*=utf-8''utf-7.
        if name.partition("*")[0] == "charset":
            raise MediaTypeUnsupported(f"text has to be UTF-8, got {value[:40]!r}")


def require_plain_utf_8(request: web.Request) -> None:
    """Raise MediaTypeUnsupported if the headers declare another charset, or compression."""
    for header in request.headers.getall("Content-Type", ()):
        require_utf_8(header)
    for coding in request.headers.getall("Content-Encoding", ()):
        if coding.strip().lower() not in ("", "identity"):
            raise MediaTypeUnsupported(
                f"bodies must not be compressed, got Content-Encoding {coding[:40]!r}"
            )


async def read_at_most(request: web.Request, size: int) -> bytes:
    """The body; raises 413 as soon as it is known to have more than `size` bytes."""
    announced = request.content_length or 0
    if announced > size:
        raise web.HTTPRequestEntityTooLarge(size, announced)
    body: bytes = await request.clone(client_max_size=size).read()
    return body


async def read_form(request: web.Request, size: int) -> dict[str, str]:
    """Read a small urlencoded form: the last value of each field; empty without a body.

    Raises MediaTypeUnsupported for other forms, ParameterInvalid for other texts, and 413.
    """
    if not request.can_read_body:
        return {}
    if media_type(request) != URLENCODED:
        raise MediaTypeUnsupported(f"send a form: {URLENCODED}")
    body = await read_at_most(request, size)
    try:
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict"))
    except ValueError:
        raise ParameterInvalid("the form cannot be read: it is not urlencoded UTF-8") from None
