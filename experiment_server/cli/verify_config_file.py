"""`verify-config-file`: is the study right, and what does it do to each participant?"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from experiment_server.cli.output import print_diagnostics
from experiment_server.store.study_file import read_text
from experiment_server.study.expand import expand
from experiment_server.study.model import RESERVED_KEYS, Block, Study
from experiment_server.study.parse import parse

PARTICIPANTS_SHOWN = 5

# Into a file or a pipe a table takes the width it needs.
PIPED_WIDTH = 10_000


@click.command(
    name="verify-config-file",
    epilog="Exit codes: 0 the study can run (there may be warnings), 1 it has errors.",
)
@click.argument("config_file", type=click.Path(path_type=Path))
def command(config_file: Path) -> None:
    """Check CONFIG_FILE, and show the first five participants' orders and blocks.

    Every problem is listed, not only the first.
    """
    parsed = parse(read_text(config_file))
    print_diagnostics(parsed.diagnostics, config_file.name)
    errors = sum(diagnostic.severity == "error" for diagnostic in parsed.diagnostics)
    if parsed.study is None:
        problems = "1 error" if errors == 1 else f"{errors} errors"
        click.secho(f"{config_file} has {problems}.", fg="red", err=True)
        sys.exit(1)
    _show(parsed.study)
    click.secho(f"{config_file} is valid.", fg="green")


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
