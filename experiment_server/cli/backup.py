"""`backup`: copy the database of a study."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from experiment_server.cli.output import note
from experiment_server.cli.stored import data_folder_of, place_of, stored_argument


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
    help="Also copy the keys that sign participants' links. Anybody who has the keys can create "
    "links. Without the keys, a server on the copy does not accept existing links.",
)
def command(file: str, out: Path, with_keys: bool) -> None:
    """Copy the database of FILE (a study or its database) into the new file OUT.

    A server may run meanwhile: the copy has the consistent state of all sessions at one moment.
    """
    from experiment_server.store.backup import back_up

    def show_progress(remaining: int, total: int) -> None:
        if sys.stderr.isatty() and total:
            click.echo(f"\rCopied {100 * (total - remaining) // total} %", err=True, nl=False)

    back_up(place_of(file), out, show_progress, with_keys=with_keys)
    note(f"\rWrote the backup {out} ({out.stat().st_size:,} bytes).")
    if files := _count_of_files(out):
        folder = data_folder_of(file)
        where = f"are in {folder}" if folder else "are in the folder of --data"
        note(f"The {files:,} files that apps uploaded {where}; copy it too, they are not in OUT.")


def _count_of_files(backup: Path) -> int:
    from experiment_server.store import records
    from experiment_server.store.database import DatabaseAddress
    from experiment_server.store.integrity import open_for_reading

    with open_for_reading(DatabaseAddress.of(backup)) as connection:
        return records.count_of_files(connection)
