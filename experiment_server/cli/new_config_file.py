"""`new-config-file`: write a commented study to start from."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click

from experiment_server.errors import OutputUnwritable
from experiment_server.study.diagnostics import nearest

DEFAULT_NAME = "new_config.toml"
TEMPLATES = ("within", "between", "mixed", "technique-by-size", "two-lists", "questionnaires")


class Template(click.ParamType[str]):
    """The name of a template."""

    name = "template"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name; fails with a message that has the most similar name and all names."""
        if value not in TEMPLATES:
            hint = nearest(value, TEMPLATES)
            told = f'there is no template "{value}"{f"; {hint}" if hint else ""}'
            self.fail(f"{told}\n\n{listed_templates()}", param, ctx)
        return value


def listed_templates() -> str:
    """The templates with their purposes, one per line."""
    width = max(map(len, TEMPLATES))
    lines = (f"  {name:<{width}}  {_first_line(name)}" for name in TEMPLATES)
    return "\n".join(["Templates:", *lines])


def _first_line(name: str) -> str:
    return _text(name).decode().split("\n", 1)[0].removeprefix("# ")


def _text(template: str | None) -> bytes:
    """The text of a template, or of the default study, which shows all features."""
    files = resources.files("experiment_server.cli")
    place = files / "templates" / f"{template}.toml" if template else files / DEFAULT_NAME
    return place.read_bytes()


@click.command(
    name="new-config-file",
    epilog=f"\b\n{listed_templates()}\n\n"
    "Then: `experiment-server verify-config-file` shows what it does to each participant.",
)
@click.argument("new_file_location", type=click.Path(path_type=Path))
@click.option(
    "--template",
    type=Template(),
    metavar="NAME",
    help="A usual design to begin with; without it, a study that shows a bit of everything.",
)
def command(new_file_location: Path, template: str | None) -> None:
    """Write a commented study file to NEW_FILE_LOCATION.

    A location that does not end with .toml is a folder, and gets new_config.toml. Missing folders
    are made. A file that is there already is never overwritten.
    """
    is_file = new_file_location.suffix.lower() == ".toml" and not new_file_location.is_dir()
    path = new_file_location if is_file else new_file_location / DEFAULT_NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(_text(template))
    except FileExistsError as error:
        if path.exists():
            raise OutputUnwritable(
                f"{path} exists already and was left as it is; choose another name"
            ) from None
        raise OutputUnwritable(f"{error.filename} is a file, not a folder") from None
    except OSError as error:
        raise OutputUnwritable(f"{path} cannot be written: {error.strerror}") from None
    click.echo(f"Wrote {path}\nNext: experiment-server verify-config-file {path}")
