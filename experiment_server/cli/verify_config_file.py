"""`verify-config-file`: check a study, and show participants' orders and blocks."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from experiment_server.cli.output import brief_json, print_diagnostics
from experiment_server.store.study_file import read_source
from experiment_server.study.balance import balance, usual_participants
from experiment_server.study.expand import expand
from experiment_server.study.model import RESERVED_KEYS, Block, Config, Study
from experiment_server.study.parse import Parsed, parse

if TYPE_CHECKING:
    from rich.console import Console

Expanded = Mapping[int, tuple[Block, ...]]

PARTICIPANTS_SHOWN = 5

# One for each block name; readable on dark and on light terminals.
COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "red", "bright_black")

# The width of tables in a file or a pipe, which is enough for all columns.
PIPED_WIDTH = 10_000


@click.command(
    name="verify-config-file",
    epilog="Exit codes: 0 the study can run (there may be warnings), 1 it has errors, or with "
    "--strict also warnings, 2 wrong usage.",
)
@click.argument("config_file", type=click.Path(path_type=Path))
@click.option(
    "-n",
    "--participants",
    type=click.IntRange(1, 1000),
    default=PARTICIPANTS_SHOWN,
    show_default=True,
    metavar="N",
    help="Show the orders of participants 1 to N.",
)
@click.option("--brief", is_flag=True, help="Leave the blocks out.")
@click.option(
    "--expand",
    "full",
    is_flag=True,
    help="Print every participant's blocks in full, long lists too.",
)
@click.option("--strict", is_flag=True, help="Let warnings fail, too.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json prints the diagnostics alone, for editors and CI.",
)
def command(
    config_file: Path,
    participants: int,
    brief: bool,
    full: bool,
    strict: bool,
    output_format: str,
) -> None:
    """Check CONFIG_FILE, and show the first participants' orders and blocks.

    Every problem is listed, not only the first, with its line and what to do about it. Of the
    blocks, what all these participants share is shown once, and beside it what varies.
    """
    parsed = parse(read_source(config_file))
    failing = ("error", "warning") if strict else ("error",)
    failed = any(diagnostic.severity in failing for diagnostic in parsed.diagnostics)
    if output_format == "json":
        found = [diagnostic.as_dict() for diagnostic in parsed.diagnostics]
        click.echo(json.dumps({"file": str(config_file), "ok": not failed, "diagnostics": found}))
    else:
        print_diagnostics(parsed.diagnostics, config_file.name, parsed.source)
        if parsed.study is not None:
            _show(parsed.study, participants, brief=brief, full=full)
            design = balance(parsed.study, usual_participants(parsed.study))
            click.echo(f"Design for {design.sentence}")
        if failed:
            click.secho(f"{config_file} has {_problem_counts(parsed)}.", fg="red", err=True)
        else:
            click.secho(f"{config_file} is valid.", fg="green")
    if failed:
        sys.exit(1)


def _problem_counts(parsed: Parsed) -> str:
    """The numbers of errors and warnings, in words."""
    counts = Counter(diagnostic.severity for diagnostic in parsed.diagnostics)
    return " and ".join(
        f"{counts[severity]} {severity}{'s' if counts[severity] > 1 else ''}"
        for severity in ("error", "warning")
        if counts[severity]
    )


def _show(study: Study, count: int, *, brief: bool, full: bool) -> None:
    from rich.console import Console

    expanded = {participant: expand(study, participant) for participant in range(1, count + 1)}
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    names = dict.fromkeys(block.name for blocks in expanded.values() for block in blocks)
    styles = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    _show_orders(console, expanded, styles)
    if full:
        _show_in_full(console, expanded)
    elif not brief:
        _show_compact(console, expanded, styles)


def _show_orders(console: Console, expanded: Expanded, styles: Mapping[str, str]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"Orders of participants 1 to {len(expanded)}", title_justify="left")
    table.add_column("block", justify="right")
    for participant in expanded:
        table.add_column(str(participant), overflow="fold")
    for block_id in range(max(map(len, expanded.values()))):
        row = [
            blocks[block_id].name if block_id < len(blocks) else "" for blocks in expanded.values()
        ]
        table.add_row(str(block_id), *(Text(name, styles.get(name, "")) for name in row))
    console.print(table)


def _show_in_full(console: Console, expanded: Expanded) -> None:
    for participant, blocks in expanded.items():
        console.out(f"\nParticipant {participant}")
        width = max(len(block.name) for block in blocks)
        for block_id, block in enumerate(blocks):
            console.out(f"  {block_id:>3}  {block.name:<{width}}  {_json(_settings(block))}")


def _show_compact(console: Console, expanded: Expanded, styles: Mapping[str, str]) -> None:
    """Show each block once: the common settings, then a line for each setting that varies."""
    from rich.text import Text

    width = max(map(len, styles))
    console.out("\nBlocks")
    for name, style in styles.items():
        configs = {
            participant: [_settings(block) for block in blocks if block.name == name]
            for participant, blocks in expanded.items()
        }
        every = [config for those in configs.values() for config in those]
        shared = {
            key: value
            for key, value in every[0].items()
            if all(key in config and config[key] == value for config in every)
        }
        line = Text(f"  {name:<{width}}  ", style).append(brief_json(shared), "default")
        console.print(line, soft_wrap=True)
        for key in dict.fromkeys(key for config in every for key in config if key not in shared):
            values = (
                f"{participant}: {', '.join(brief_json(config[key]) for config in those)}"
                for participant, those in configs.items()
                if those
            )
            console.out(f"  {'':<{width}}  {key} varies: {'   '.join(values)}")
    console.out("")


def _settings(block: Block) -> Config:
    """The config without the keys that are shown elsewhere."""
    return {key: value for key, value in block.config.items() if key not in RESERVED_KEYS}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
