"""What requests carry: texts in UTF-8 alone, as they are, and not more than is meant.

A compressed body is refused: a megabyte may unpack to a thousand, and nobody has to send one.

aiohttp decodes a form in whatever charset its sender names, and some of Python's codecs take hours
for what fits into a body; its reading of a Content-Type takes long, too. So nothing here asks it
for `content_type`, `charset`, `text`, `json` or `post`.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from aiohttp import web

from experiment_server.errors import MediaTypeUnsupported, ParameterInvalid

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

# ASCII is a part of UTF-8, and some programs name what is the least that they need.
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


def parse_content_type(header: str) -> tuple[str, dict[str, str]]:
    """The media type in lower case, and its parameters by their names in lower case."""
    media_type, *parameters = header.split(";")
    pairs = (item.partition("=") for item in parameters if item.strip())
    named = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
    return media_type.strip().lower(), named


def media_type(request: web.Request) -> str:
    """The media type of a request's body, in lower case; empty if it names none."""
    return parse_content_type(request.headers.get("Content-Type", ""))[0]


def require_utf_8(header: str) -> None:
    """Raise MediaTypeUnsupported for a Content-Type that names another charset."""
    for name, value in parse_content_type(header)[1].items():
        if name == "charset" and value.lower() in _UTF_8:
            continue
        # RFC 2231 has parameters in a charset of their own: charset*=utf-8''utf-7.
        if name.partition("*")[0] == "charset":
            raise MediaTypeUnsupported(f"texts are read as UTF-8 here, not as {value[:40]!r}")


def require_plain_utf_8(request: web.Request) -> None:
    """Raise MediaTypeUnsupported for a body that is said to be in another charset or compressed."""
    for header in request.headers.getall("Content-Type", ()):
        require_utf_8(header)
    for coding in request.headers.getall("Content-Encoding", ()):
        if coding.strip().lower() not in ("", "identity"):
            raise MediaTypeUnsupported(
                f"bodies are read as they are, and not unpacked (Content-Encoding: {coding[:40]!r})"
            )


async def read_at_most(request: web.Request, size: int) -> bytes:
    """The body; raises 413 for more bytes than this, as soon as it is known."""
    announced = request.content_length or 0
    if announced > size:
        raise web.HTTPRequestEntityTooLarge(size, announced)
    body: bytes = await request.clone(client_max_size=size).read()
    return body


async def small_form(request: web.Request, size: int) -> dict[str, str]:
    """The last value of each field of a small urlencoded form; none where there is no body.

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
