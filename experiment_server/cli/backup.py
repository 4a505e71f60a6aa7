"""`backup`: a safe copy of a study's state."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from experiment_server.cli.output import note
from experiment_server.cli.stored import place_of, stored_argument


@click.command(
    name="backup",
    epilog="Example: `experiment-server backup study.toml study-monday.sqlite3`. To go back to it, "
    "stop the server and start it with `--database study-monday.sqlite3`.",
)
@stored_argument
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--with-keys",
    is_flag=True,
    help="Also copy the keys that participants' links are signed with. Whoever has them can make "
    "links; without them, links from before do not lead into what is served from the copy.",
)
def command(file: str, out: Path, with_keys: bool) -> None:
    """Copy the state of FILE (a study or its database) into the new file OUT.

    A server may be running: the copy has everything as of one moment, with all sessions.
    """
    from experiment_server.store.backup import back_up

    def told(remaining: int, total: int) -> None:
        if sys.stderr.isatty() and total:
            click.echo(f"\rCopied {100 * (total - remaining) // total} %", err=True, nl=False)

    back_up(place_of(file), out, told, with_keys=with_keys)
    note(f"\r{out} has everything as of now ({out.stat().st_size:,} bytes).")
