"""The output of the command line."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO, TypeVar

import click

from experiment_server.errors import OutputUnwritable
from experiment_server.study.diagnostics import Diagnostic
from experiment_server.study.source import StudySource
from experiment_server.wire.values import JsonValue

Item = TypeVar("Item")

# Runs with fewer items show no progress bar.
LONG_RUN = 200

_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


def print_diagnostics(
    diagnostics: Iterable[Diagnostic], file_name: str = "study", source: StudySource | None = None
) -> None:
    """Write diagnostics to stderr, with the lines of the file that they refer to."""
    for diagnostic in diagnostics:
        headline, *excerpt = diagnostic.render(file_name, source).split("\n")
        colour = _COLOURS[diagnostic.severity]
        click.echo(click.style(headline, fg=colour), err=True)
        for line in excerpt:
            marks = line.lstrip(" |\t").startswith("^")
            click.echo(click.style(line, fg=colour) if marks else line, err=True)


def brief_json(value: JsonValue) -> str:
    """A value as JSON for people to read; a long list is shortened to its beginning and a number.

    A shortened list is not valid JSON.
    """
    if isinstance(value, dict):
        items = (f"{_plain_json(key)}: {brief_json(item)}" for key, item in value.items())
        return f"{{{', '.join(items)}}}"
    if not isinstance(value, list):
        return _plain_json(value)
    shown = [brief_json(item) for item in value[:_LONGEST_LIST]]
    more = len(value) - _ITEMS_SHOWN
    if len(value) > _LONGEST_LIST or (more > 1 and len(", ".join(shown)) > _LONGEST_TEXT):
        shown[_ITEMS_SHOWN:] = [f"... {more} more"]
    return f"[{', '.join(shown)}]"


_LONGEST_LIST, _LONGEST_TEXT = 24, 120
_ITEMS_SHOWN = 2


def _plain_json(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)


def escape_unencodable() -> None:
    """Escape characters that the terminal's encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def discard_output() -> None:
    """Discard all later output, because its reader has closed the pipe."""
    sys.stdout = io.StringIO()


def data_stream() -> TextIO:
    """Standard output for data: UTF-8, without translation of line breaks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="strict", newline="")
    return sys.stdout


def note(message: str) -> None:
    """Write a message to stderr, so that stdout contains only data."""
    click.echo(message, err=True)


@contextlib.contextmanager
def private_file(path: Path, lines: Iterable[str]) -> Iterator[Path]:
    """A file that other users of this machine cannot read, deleted when the context closes.

    Raises OutputUnwritable.
    """
    try:
        # An existing file or link of another user must not be written to.
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
    except OSError as error:
        raise OutputUnwritable(
            f"the login link cannot be written to {path}: {error.strerror}; set your own token "
            "with EXPERIMENT_SERVER_ADMIN_TOKEN"
        ) from None
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def progress(items: Iterable[Item], label: str, count: int) -> Iterable[Item]:
    """The `count` items, with a progress bar on stderr if it is a terminal and the run is long."""
    if count < LONG_RUN or not sys.stderr.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, label, total=count, console=Console(stderr=True), transient=True)
