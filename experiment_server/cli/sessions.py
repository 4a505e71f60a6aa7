"""`sessions`: list the sessions in a study's database."""

from __future__ import annotations

import click

from experiment_server.cli.output import note
from experiment_server.cli.stored import place_of, stored_argument


@click.command(
    name="sessions",
    epilog="`experiment-server run study.toml --session pilot` starts or continues a session.",
)
@stored_argument
def command(file: str) -> None:
    """List the sessions of FILE: a study, or its database."""
    from rich.console import Console
    from rich.table import Table

    from experiment_server.store import records
    from experiment_server.store.integrity import open_for_reading

    with open_for_reading(place_of(file)) as connection:
        summaries = records.session_summaries(connection)
    if not summaries:
        note("No sessions yet; experiment-server run begins one.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("session", "begun (UTC)", "last change"):
        table.add_column(column, no_wrap=True)
    for column in ("participants", "started", "ended"):
        table.add_column(column, justify="right", no_wrap=True)
    for item in summaries:
        table.add_row(
            item.name,
            f"{item.created_at:%Y-%m-%d %H:%M}",
            f"{item.last_change:%Y-%m-%d %H:%M}" if item.last_change else "",
            *map(str, (item.participants, item.started, item.ended)),
        )
    Console(highlight=False, soft_wrap=True).print(table)
