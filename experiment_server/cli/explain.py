"""`explain`: where each block and each value of a participant comes from."""

from __future__ import annotations

import json
from pathlib import Path

import click

from experiment_server.limits import PARTICIPANT_INDEX_MAX
from experiment_server.store.study_file import read_source
from experiment_server.study.explain import Explained, Source, explain
from experiment_server.study.parse import parse


@click.command(name="explain")
@click.argument("config_file", type=click.Path(path_type=Path))
@click.argument("participant", type=click.IntRange(1, PARTICIPANT_INDEX_MAX))
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
)
def command(config_file: Path, participant: int, output_format: str) -> None:
    """Show where each block and each value of PARTICIPANT comes from.

    Of a block: the group it is in, and the row of the square that the participant has. Of a value:
    the block that wrote it, the variable or the level that stands there, and the function that drew
    it.
    """
    explained = explain(parse(read_source(config_file)), participant)
    if output_format == "json":
        found = [block.as_dict() for block in explained]
        click.echo(json.dumps({"participant": participant, "blocks": found}, ensure_ascii=False))
        return
    for block in explained:
        _show(block)


def _show(block: Explained) -> None:
    click.secho(f"{block.block_id}  {block.name}", bold=True)
    for reason in block.reasons:
        click.echo(f"     {reason}")
    width = max((len(key) for key, _, _ in block.values), default=0)
    for key, value, source in block.values:
        written = json.dumps(value, ensure_ascii=False)
        click.echo(f"     {key:<{width}} = {written}{_told(block, source)}")


def _told(block: Explained, source: Source) -> str:
    told = []
    if source.factor:
        told.append("level of the factor")
    if source.variable:
        told.append(f"variable {source.variable}")
    if source.function:
        told.append(f"drawn by {source.function}")
    if source.block != block.name:
        told.append(f"from {source.block}")
    return f"   ({', '.join(told)})" if told else ""
