"""Validates a client's server address and participant index."""

from __future__ import annotations

from urllib.parse import urlsplit

from experiment_server_client.errors import StudyError

_EXAMPLE = "http://192.168.1.5:5000"


def server_url(given: str) -> str:
    """Normalize the server address to `http://host:port` or `https://host`, no final slash.

    Raises StudyError (`address-invalid`), whose message gives a correct address.
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
        raise _invalid(given, "pass a token instead of a user name in the address")
    root = f"{parts.scheme}://{parts.netloc}"
    if parts.path.strip("/") or parts.query or parts.fragment:
        surplus = address[len(root) :]
        raise _invalid(given, f"write {root}, without {surplus}")
    return root


def participant_index(given: object) -> int | None:
    """Check the participant's index; None selects the server's default participant.

    Raises StudyError (`participant-invalid`).
    """
    if given is None:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        message = f"{given!r} is not a participant: it has to be a whole number, 1 or more"
        raise StudyError("participant-invalid", message)
    return given


def _meant(host: str) -> str:
    looks_like_one = host and not any(character.isspace() for character in host)
    return f"http://{host}" if looks_like_one else _EXAMPLE


def _invalid(given: str, reason: str) -> StudyError:
    return StudyError("address-invalid", f'"{given}" is not a server address: {reason}')
