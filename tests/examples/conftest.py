"""Examples are taken part in as by people: in a real browser, a real terminal, under Mono."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from tests.e2e.conftest import browser, window
from tests.waiting import PATIENCE

__all__ = ["browser", "tables", "trials_by_block", "window"]

Rows = list[dict[str, Any]]


def tables(url: str, participant: int = 1) -> dict[str, Rows]:
    """What the server has of a participant's records: tables, with rows as REST has them."""
    names = [table["table"] for table in _read(f"{url}/api/results")]
    return {name: _read(f"{url}/api/results/{name}?participant={participant}") for name in names}


def trials_by_block(url: str, participant: int = 1) -> dict[str, Rows]:
    """The data of a participant's trials, by the name of their block, in the order of arrival."""
    blocks: dict[str, Rows] = {}
    for row in tables(url, participant).get("trials", []):
        blocks.setdefault(row["block_name"], []).append(row["data"])
    return blocks


def _read(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
        return json.load(answer)
