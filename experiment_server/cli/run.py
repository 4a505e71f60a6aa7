"""`run`: serve a study."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import click

from experiment_server.cli.output import print_diagnostics, print_no_more, private_file
from experiment_server.errors import StudyInvalid
from experiment_server.server.settings import Settings
from experiment_server.store.options import DEFAULT_SESSION, MEMORY

if TYPE_CHECKING:
    from experiment_server.server.app import Running


log = logging.getLogger(__name__)

P = ParamSpec("P")


class _Member(click.ParamType[Enum]):
    """One of the values of an enumeration, as they are written in settings."""

    name = "choice"

    def __init__(self, members: type[Enum]) -> None:
        self._members = members

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Enum:
        """The member, or a usage error that names them all."""
        try:
            return self._members(value)
        except ValueError:
            known = ", ".join(member.value for member in self._members)
            self.fail(f"{value!r} is none of {known}", param, ctx)


def _options(function: Callable[P, None]) -> Callable[P, None]:
    """An option for each setting, as the settings declare it."""
    for field in reversed(fields(Settings)):
        if field.metadata:
            function = _option(field)(function)
    return function


def _option(field: Field[object]) -> Callable[[Callable[P, None]], Callable[P, None]]:
    kind: type | click.ParamType[object] = str
    if isinstance(field.default, bool):
        return click.option(
            *field.metadata["flags"], field.name, is_flag=True, help=field.metadata["help"]
        )
    if "minimum" in field.metadata:
        kind = click.IntRange(field.metadata["minimum"], field.metadata["maximum"])
    elif isinstance(field.default, Enum):
        kind = _Member(type(field.default))
    elif "Path" in str(field.type):
        kind = click.Path(path_type=Path)
    return click.option(
        *field.metadata["flags"],
        field.name,
        type=kind,
        default=None if field.default is MISSING else _written(field.default),
        multiple=isinstance(field.default, tuple),
        envvar=field.metadata.get("variable"),
        show_envvar="variable" in field.metadata,
        show_default=field.default not in (None, ()),
        metavar=field.metadata["metavar"],
        help=field.metadata["help"],
    )


def _written(default: object) -> object:
    return default.value if isinstance(default, Enum) else default


@click.command(
    name="run",
    epilog="Stop it with Ctrl+C; start it again and everyone is where they were.",
)
@click.argument("config_file", type=click.Path(path_type=Path))
@_options
@click.option(
    "-a",
    "--ask-default-participant-index",
    is_flag=True,
    help="Ask for the default participant at start.",
)
def command(config_file: Path, ask_default_participant_index: bool, **settings: Any) -> None:
    """Serve CONFIG_FILE: the dashboard, REST and Socket.IO for participants' apps.

    The file may be edited while the server runs: a good version is served at once, a broken one
    changes nothing and its errors are shown here and in the dashboard.
    """
    chosen = Settings(config_file, **settings)
    if ask_default_participant_index:
        index = click.prompt(
            "Default participant",
            type=click.IntRange(min=1),
            default=chosen.default_participant_index,
        )
        chosen = replace(chosen, default_participant_index=index)
    from experiment_server.server.app import serve
    from experiment_server.server.event_loop import run_loop
    from experiment_server.server.logs import set_up

    set_up(chosen.log_format)

    try:
        # On Windows an interrupt ends the loop from outside, after the server has been closed.
        with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
            run_loop(serve(chosen, lambda running: _greet_or_stop(chosen, running, stack)))
        # From here on there is nothing left that an interrupt could put into disorder.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    except StudyInvalid as error:
        print_diagnostics(error.diagnostics, config_file.name, error.source)
        raise click.ClickException(f"{config_file} has errors, so it is not served") from None
    try:
        click.echo("Stopped." if chosen.place == MEMORY else "Stopped; everyone's place is kept.")
    except OSError:
        print_no_more()


def _greet_or_stop(settings: Settings, running: Running, stack: contextlib.ExitStack) -> None:
    try:
        _greet(settings, running, stack)
    except BrokenPipeError:
        log.warning("nobody reads what the server prints, so it stops")
        print_no_more()
        running.session.stopping.set()


def _greet(settings: Settings, running: Running, stack: contextlib.ExitStack) -> None:
    from experiment_server.server.addresses import are_only_local
    from experiment_server.session.tokens import login_path

    in_memory = settings.place == MEMORY
    kept = "nowhere: they are gone when the server stops" if in_memory else running.database
    token = running.admin_token
    taking_part = [f"{url}/app/?participant=1" for url in running.urls] if settings.app else []
    if settings.guarded and not settings.open:
        taking_part = [f"experiment-server link {settings.config_file} 1"]
    # What is printed elsewhere than to a terminal is kept: in a journal, in a log.
    told = sys.stdout.isatty()
    entrance = "/" if not token else login_path(token) if told else "/login"
    links = [f"{url}{login_path(token)}" for url in running.urls] if token else []
    kept_links = None
    if links and not told and settings.admin_token is None:
        kept_links = stack.enter_context(private_file(settings.links_file, links))
    lines = {
        "Dashboard": [f"{url}{entrance}" for url in running.urls],
        "Login link": [] if kept_links is None else [f"in {kept_links}"],
        "Taking part": taking_part,
        "REST": [f"{url}/api/" for url in running.urls],
        "Places kept in": [kept],
        "Session": [] if settings.session == DEFAULT_SESSION else [settings.session],
    }
    click.echo(f"Serving {settings.config_file}; Ctrl+C stops.")
    for label, values in lines.items():
        for number, value in enumerate(values):
            click.echo(f"  {'' if number else label + ':':<16}{value}")
    if settings.guarded and are_only_local(running.urls):
        click.secho(
            "These links lead no other machine here: name the address that others reach this one "
            "at with --public-url, or listen with --host on one that they do.",
            fg="yellow",
            err=True,
        )
    if settings.guarded and settings.open:
        click.secho(
            "OPEN: everybody in this network can read and move participants, without a token. "
            "Use --open only in a network that you trust.",
            fg="yellow",
            err=True,
        )
