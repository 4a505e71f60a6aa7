"""How the command line speaks."""

from __future__ import annotations

from collections.abc import Iterable

import click

from experiment_server.study.diagnostics import Diagnostic

_COLOURS = {"error": "red", "warning": "yellow"}


def print_diagnostics(diagnostics: Iterable[Diagnostic], file_name: str = "study") -> None:
    """Write diagnostics to stderr, one under the other."""
    for diagnostic in diagnostics:
        text = click.style(diagnostic.render(file_name), fg=_COLOURS[diagnostic.severity])
        click.echo(text, err=True)


def note(message: str) -> None:
    """Write a remark to stderr, so that what is piped on stays clean."""
    click.echo(message, err=True)
