"""What an address says of where it leads."""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


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
