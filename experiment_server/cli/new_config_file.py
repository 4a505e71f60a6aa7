"""`new-config-file`: a study to start from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from experiment_server.errors import OutputUnwritable

DEFAULT_NAME = "new_config.toml"


@click.command(
    name="new-config-file",
    epilog="Then: `experiment-server verify-config-file` shows what it does to each participant.",
)
@click.argument("new_file_location", type=click.Path(path_type=Path))
def command(new_file_location: Path) -> None:
    """Write a commented study file to NEW_FILE_LOCATION.

    A location that does not end with .toml is a folder, and gets new_config.toml. Missing folders
    are made. A file that is there already is never overwritten.
    """
    is_file = new_file_location.suffix.lower() == ".toml" and not new_file_location.is_dir()
    path = new_file_location if is_file else new_file_location / DEFAULT_NAME
    text = resources.files("experiment_server.cli").joinpath("new_config.toml").read_bytes()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(text)
    except FileExistsError as error:
        if path.exists():
            raise OutputUnwritable(
                f"{path} exists already and was left as it is; choose another name"
            ) from None
        raise OutputUnwritable(f"{error.filename} is a file, not a folder") from None
    except OSError as error:
        raise OutputUnwritable(f"{path} cannot be written: {error.strerror}") from None
    click.echo(f"Wrote {path}\nNext: experiment-server verify-config-file {path}")
