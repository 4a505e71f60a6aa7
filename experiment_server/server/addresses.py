"""What an address says of where it leads, and which addresses lead here."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from experiment_server.errors import StartRefused

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

# What a server listens on that takes every address of its machine, and the one among them that
# only the machine itself reaches. A socket for IPv6 takes no IPv4 here.
_EVERY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not listened on


def urls_for_others(
    host: str, port: int, scheme: str = "http", public_url: str | None = None
) -> list[str]:
    """Where other machines reach a server, as a browser writes it, without a slash at the end.

    Every link that is given to somebody begins with one of these. A server that listens on all
    addresses of its machine has one for each network; where there is none, this machine's own is
    all that is left, and `leads_nowhere_else` tells.
    """
    if public_url:
        return [public_url.rstrip("/")]
    hosts = list(_own_addresses(host)) if host in _EVERY else [host]
    return [_url(scheme, found, port) for found in hosts or [_EVERY[host]]]


def url_for_this_machine(host: str, port: int, scheme: str = "http") -> str:
    """Where programs on the server's own machine reach it."""
    return _url(scheme, _EVERY.get(host, host), port)


def leads_nowhere_else(urls: Sequence[str]) -> bool:
    """Whether only the server's own machine gets anywhere with these addresses."""
    return all(is_loopback(urlsplit(url).hostname or "") for url in urls)


def checked_public_url(url: str) -> str:
    """An address to give to others, as it was written; raises StartRefused for what is none."""
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        whole = False
    if not whole or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise StartRefused(
            f"--public-url has to be like https://study.example, without a path, got {url!r}"
        )
    return url


def _own_addresses(host: str) -> Iterator[str]:
    # Only asked of the system, and nothing is sent. It takes a while to load.
    import psutil

    family = socket.AF_INET6 if host == "::" else socket.AF_INET
    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    for name, addresses in psutil.net_if_addrs().items():
        for found in addresses:
            if name in up and found.family == family:
                address = ipaddress.ip_address(found.address.partition("%")[0])
                # A link-local address means something else on each machine.
                if not address.is_loopback and not address.is_link_local:
                    yield str(address)


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether an address or name to listen on can only be reached from this machine."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=64)
def is_own_name(host: str) -> bool:
    """Whether a name in a request can only mean this machine: an address, or one of its names.

    Any other name is somebody's to point here.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        machine = socket.gethostname().lower()
        short = machine.partition(".")[0]
        return host.lower() in LOOPBACK_NAMES | {machine, short, f"{short}.local"}
    return True
