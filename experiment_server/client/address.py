"""Where a server is, as people write it."""

from __future__ import annotations

from urllib.parse import urlsplit

from experiment_server.client.errors import StudyError


def server_url(given: str) -> str:
    """The server's address as `http://host:port` or `https://host`, without a slash at its end.

    Raises StudyError (`url-invalid`) for what is no such address, and says what to write.
    """
    try:
        parts = urlsplit(given)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _invalid(given, f"its host or its port is malformed ({error})") from None
    if parts.scheme not in ("http", "https") or "://" not in given:
        rest = given.partition("://")[2] or given
        raise _invalid(given, f"it has to begin with http:// or https://, as http://{rest}")
    if not host or any(character.isspace() for character in given):
        raise _invalid(given, "it names no host, as http://127.0.0.1:5000 does")
    if "@" in parts.netloc:
        raise _invalid(given, "what lets a program in is its token, not a name in the address")
    root = f"{parts.scheme}://{parts.netloc}"
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise _invalid(given, f"a server is at the root of its address: write {root}")
    return root


def _invalid(given: str, reason: str) -> StudyError:
    return StudyError("url-invalid", f'"{given}" is no address of a server: {reason}')
