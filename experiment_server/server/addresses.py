"""The addresses of a server, and what an address means."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

from experiment_server.errors import StartRefused

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})

# The addresses that mean all network interfaces, each with its loopback address. A socket for
# IPv6 accepts no IPv4 here.
_ALL_INTERFACES = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not listened on


def urls_for_others(
    host: str, port: int, scheme: str = "http", public_url: str | None = None
) -> list[str]:
    """The server's URLs for other machines, without a final slash; all links begin with one.

    A server that listens on all interfaces has one URL for each network. If there is no network,
    only the loopback address remains, which `are_only_local` detects.
    """
    if public_url:
        return [public_url.rstrip("/")]
    hosts = list(_own_addresses(host)) if host in _ALL_INTERFACES else [host]
    return [_url(scheme, found, port) for found in hosts or [_ALL_INTERFACES[host]]]


def url_for_this_machine(host: str, port: int, scheme: str = "http") -> str:
    """The server's URL for programs on the same machine."""
    return _url(scheme, _ALL_INTERFACES.get(host, host), port)


def are_only_local(urls: Sequence[str]) -> bool:
    """Whether these URLs work on the server's own machine only."""
    return all(is_loopback(urlsplit(url).hostname or "") for url in urls)


def checked_public_url(url: str) -> str:
    """Check a public URL and return it unchanged; raises StartRefused."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise StartRefused(
            f"--public-url has to be like https://study.example, without a path, got {url!r}"
        )
    return url


def _own_addresses(host: str) -> Iterator[str]:
    # psutil is imported here, because it loads slowly.
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
    """Whether only this machine can reach a server on this address or name."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=64)
def is_own_name(host: str) -> bool:
    """Whether a host in a request is an address or a name of this machine.

    Anybody may register any other name and point it to this machine.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        machine = socket.gethostname().lower()
        short = machine.partition(".")[0]
        return host.lower() in LOOPBACK_NAMES | {machine, short, f"{short}.local"}
    return True
