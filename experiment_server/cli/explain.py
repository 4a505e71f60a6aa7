"""`explain`: show the origin of each block and value of a participant."""

from __future__ import annotations

import json
from pathlib import Path

import click
from msgspec import structs

from experiment_server.cli.output import brief_json
from experiment_server.limits.session import PARTICIPANT_INDEX_MAX
from experiment_server.store.study_file import read_source
from experiment_server.study.explain import explain
from experiment_server.study.parse import parse
from experiment_server.wire.explanations import ExplainedBlock, ExplainedValue
from experiment_server.wire.values import JsonObject


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
@click.option(
    "--row",
    type=click.IntRange(1, PARTICIPANT_INDEX_MAX),
    metavar="N",
    help="The row of the design that PARTICIPANT follows. [default: their own index]",
)
def command(config_file: Path, participant: int, output_format: str, row: int | None) -> None:
    """Show where each block and each value of PARTICIPANT comes from.

    Of a block: the group it is in, and the row of the square that the participant has. Of a value:
    the block that wrote it, the variable or the level that stands there, and the function that drew
    it.
    """
    explained = explain(parse(read_source(config_file)), participant, row)
    if output_format == "json":
        found = [_as_json(block) for block in explained]
        click.echo(json.dumps({"participant": participant, "blocks": found}, ensure_ascii=False))
        return
    for block in explained:
        _print_block(block)


def _as_json(block: ExplainedBlock) -> JsonObject:
    values = [{"key": value.key, **structs.asdict(value)} for value in block.values]
    return {**structs.asdict(block), "values": values}


def _print_block(block: ExplainedBlock) -> None:
    click.secho(f"{block.block_id}  {block.name}", bold=True)
    for reason in block.reasons:
        click.echo(f"     {reason}")
    width = max((len(value.key) for value in block.values), default=0)
    for value in block.values:
        written = brief_json(value.value)
        click.echo(f"     {value.key:<{width}} = {written}{_origin(block, value)}")


def _origin(block: ExplainedBlock, value: ExplainedValue) -> str:
    parts = []
    if value.factor:
        parts.append("level of the factor")
    if value.variable:
        parts.append(f"variable {value.variable}")
    if value.function:
        parts.append(f"drawn by {value.function}")
    if value.block != block.name:
        parts.append(f"from {value.block}")
    return f"   ({', '.join(parts)})" if parts else ""
