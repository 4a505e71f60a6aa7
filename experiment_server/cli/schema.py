"""`schema`: print the JSON Schema with which editors complete and check study files."""

from __future__ import annotations

import json

import click

from experiment_server.study.schema import json_schema


@click.command(
    name="schema",
    epilog="VS Code: install the extension Even Better TOML, save the schema beside your study "
    "(experiment-server schema > study.schema.json), and begin the study with the line "
    "#:schema ./study.schema.json",
)
def command() -> None:
    """Print the JSON Schema of a study file (draft 2020-12)."""
    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
