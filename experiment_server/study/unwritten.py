"""Texts that are still to be written: settings that begin with TODO."""

from __future__ import annotations

from collections.abc import Iterable

from experiment_server.study.diagnostics import Findings, shown
from experiment_server.study.positions import Path
from experiment_server.study.templates import RawBlock
from experiment_server.wire.values import JsonValue

MARK = "TODO"


def report_unwritten(blocks: Iterable[RawBlock], findings: Findings) -> None:
    """Warn of each setting of a block that is a text beginning with TODO, at its place."""
    for raw in blocks:
        _report(raw.config, raw.owner, "", (*raw.at, "config"), findings)


def _report(value: JsonValue, owner: str, name: str, at: Path, findings: Findings) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _report(item, owner, f"{name}.{key}" if name else key, (*at, key), findings)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            _report(item, owner, f"{name}[{place}]", (*at, place), findings)
    elif isinstance(value, str) and value.startswith(MARK):
        findings.warning(
            "text-unwritten",
            f"{owner}: {name} is still to be written: {shown(value)}",
            "put the text in its place; until then participants read the note",
            at=at,
        )
