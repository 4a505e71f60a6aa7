"""`verify-config-file`: is the study right, and what does it do to each participant?"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import click

from experiment_server.cli.output import print_diagnostics
from experiment_server.store.study_file import read_text
from experiment_server.study.expand import expand
from experiment_server.study.model import RESERVED_KEYS, Block, Study
from experiment_server.study.parse import Parsed, parse

PARTICIPANTS_SHOWN = 5

# Into a file or a pipe a table takes the width it needs.
PIPED_WIDTH = 10_000


@click.command(
    name="verify-config-file",
    epilog="Exit codes: 0 the study can run (there may be warnings), 1 it has errors, or with "
    "--strict also warnings, 2 wrong usage.",
)
@click.argument("config_file", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Let warnings fail, too.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json prints the diagnostics alone, for editors and CI.",
)
def command(config_file: Path, strict: bool, output_format: str) -> None:
    """Check CONFIG_FILE, and show the first five participants' orders and blocks.

    Every problem is listed, not only the first, with its line and what to do about it.
    """
    text = read_text(config_file)
    parsed = parse(text)
    failing = ("error", "warning") if strict else ("error",)
    failed = any(diagnostic.severity in failing for diagnostic in parsed.diagnostics)
    if output_format == "json":
        found = [diagnostic.as_dict() for diagnostic in parsed.diagnostics]
        click.echo(json.dumps({"file": str(config_file), "ok": not failed, "diagnostics": found}))
    else:
        print_diagnostics(parsed.diagnostics, config_file.name, text)
        if parsed.study is not None:
            _show(parsed.study)
        if failed:
            click.secho(f"{config_file} has {_counted(parsed)}.", fg="red", err=True)
        else:
            click.secho(f"{config_file} is valid.", fg="green")
    if failed:
        sys.exit(1)


def _counted(parsed: Parsed) -> str:
    """How many errors and warnings there are, in words."""
    counts = Counter(diagnostic.severity for diagnostic in parsed.diagnostics)
    return " and ".join(
        f"{counts[severity]} {severity}{'s' if counts[severity] > 1 else ''}"
        for severity in ("error", "warning")
        if counts[severity]
    )


def _show(study: Study) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    participants = range(1, PARTICIPANTS_SHOWN + 1)
    expanded = {participant: expand(study, participant) for participant in participants}
    console = Console()
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    table = Table(title=f"Orders of participants 1 to {PARTICIPANTS_SHOWN}", title_justify="left")
    table.add_column("block", justify="right")
    for participant in participants:
        table.add_column(str(participant), overflow="fold")
    for block_id in range(max(map(len, expanded.values()))):
        names = (
            blocks[block_id].name if block_id < len(blocks) else "" for blocks in expanded.values()
        )
        table.add_row(str(block_id), *map(Text, names))
    console.print(table)
    for participant, blocks in expanded.items():
        click.echo(f"\nParticipant {participant}")
        width = max(len(block.name) for block in blocks)
        for block_id, block in enumerate(blocks):
            click.echo(f"  {block_id:>3}  {block.name:<{width}}  {_compact(block)}")
    click.echo()


def _compact(block: Block) -> str:
    """The config without the keys that stand before it in the line."""
    config = {key: value for key, value in block.config.items() if key not in RESERVED_KEYS}
    return json.dumps(config, ensure_ascii=False)
