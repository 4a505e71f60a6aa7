"""Finds settings whose text begins with TODO, so that nobody forgets to write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from experiment_server.study.diagnostics import Findings, shown
from experiment_server.study.positions import Path
from experiment_server.study.reading import SECTION
from experiment_server.study.templates import RawBlock
from experiment_server.wire.values import JsonValue

MARK = "TODO"


def report_unwritten(
    blocks: Iterable[RawBlock], variables: Mapping[str, JsonValue], findings: Findings
) -> None:
    """Warn about each text in a block's config or a variable that begins with TODO."""
    for raw in blocks:
        _report(raw.config, raw.owner, "", (*raw.at, "config"), findings)
    _report(dict(variables), "variables", "", (SECTION, "variables"), findings)


def _report(value: JsonValue, owner: str, name: str, at: Path, findings: Findings) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _report(item, owner, f"{name}.{key}" if name else key, (*at, key), findings)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _report(item, owner, f"{name}[{index}]", (*at, index), findings)
    elif isinstance(value, str) and value.startswith(MARK):
        findings.warning(
            "text-unwritten",
            f"{owner}: {name} is still to be written: {shown(value)}",
            "put the text in its place; until then participants read the note",
            at=at,
        )
