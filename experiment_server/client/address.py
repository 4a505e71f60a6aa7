"""What a program says of whom it takes part as, and where: checked before anybody is asked."""

from __future__ import annotations

from urllib.parse import urlsplit

from experiment_server.client.errors import StudyError

_EXAMPLE = "http://192.168.1.5:5000"


def server_url(given: str) -> str:
    """The server's address as `http://host:port` or `https://host`, without a slash at its end.

    Raises StudyError (`address-invalid`) for what is no such address, and says what to write.
    """
    address = given.strip()
    scheme, colon, rest = address.partition("://")
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _invalid(given, f"its host or its port is malformed ({error})") from None
    if not colon or scheme.lower() not in ("http", "https"):
        raise _invalid(given, f"write {_meant(rest if colon else address)}")
    if not host or any(character.isspace() for character in address):
        raise _invalid(given, f"it names no host; write {_EXAMPLE}")
    if "@" in parts.netloc:
        raise _invalid(given, "what lets a program in is its token, not a name in the address")
    root = f"{parts.scheme}://{parts.netloc}"
    if parts.path.strip("/") or parts.query or parts.fragment:
        surplus = address[len(root) :]
        raise _invalid(given, f"write {root}, without {surplus}")
    return root


def participant_index(given: object) -> int | None:
    """The participant's index; None where the server's default participant is meant.

    Raises StudyError (`participant-invalid`).
    """
    if given is None:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        message = f"{given!r} is no participant: it has to be a whole number, 1 or more"
        raise StudyError("participant-invalid", message)
    return given


def _meant(host: str) -> str:
    looks_like_one = host and not any(character.isspace() for character in host)
    return f"http://{host}" if looks_like_one else _EXAMPLE


def _invalid(given: str, reason: str) -> StudyError:
    return StudyError("address-invalid", f'"{given}" is no address of a server: {reason}')
