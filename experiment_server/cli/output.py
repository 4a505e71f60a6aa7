"""How the command line speaks."""

from __future__ import annotations

from collections.abc import Iterable

import click

from experiment_server.study.diagnostics import Diagnostic

_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


def print_diagnostics(
    diagnostics: Iterable[Diagnostic], file_name: str = "study", text: str | None = None
) -> None:
    """Write diagnostics to stderr, one under the other, with the lines of `text` they are about."""
    for diagnostic in diagnostics:
        headline, *excerpt = diagnostic.render(file_name, text).split("\n")
        colour = _COLOURS[diagnostic.severity]
        click.echo(click.style(headline, fg=colour), err=True)
        for line in excerpt:
            marks = line.lstrip(" |\t").startswith("^")
            click.echo(click.style(line, fg=colour) if marks else line, err=True)


def note(message: str) -> None:
    """Write a remark to stderr, so that what is piped on stays clean."""
    click.echo(message, err=True)
