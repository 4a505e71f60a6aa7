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

from experiment_server.cli.output import discard_output, print_diagnostics, private_file
from experiment_server.errors import StudyInvalid
from experiment_server.server.settings import Settings
from experiment_server.store.options import DEFAULT_SESSION, MEMORY

if TYPE_CHECKING:
    from experiment_server.server.app import Running


log = logging.getLogger(__name__)

P = ParamSpec("P")


class _EnumParam(click.ParamType[Enum]):
    """A parameter with the values of an enumeration."""

    name = "choice"

    def __init__(self, members: type[Enum]) -> None:
        self._members = members

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Enum:
        """The member; fails with a usage error that lists all members."""
        try:
            return self._members(value)
        except ValueError:
            known = ", ".join(member.value for member in self._members)
            self.fail(f"{value!r} is not one of {known}", param, ctx)


def _options(function: Callable[P, None]) -> Callable[P, None]:
    """Add an option for each field of the settings."""
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
        kind = _EnumParam(type(field.default))
    elif "Path" in str(field.type):
        kind = click.Path(path_type=Path)
    return click.option(
        *field.metadata["flags"],
        field.name,
        type=kind,
        default=None if field.default is MISSING else _default_value(field.default),
        multiple=isinstance(field.default, tuple),
        envvar=field.metadata.get("variable"),
        show_envvar="variable" in field.metadata,
        show_default=field.default not in (None, ()),
        metavar=field.metadata["metavar"],
        help=field.metadata["help"],
    )


def _default_value(default: object) -> object:
    return default.value if isinstance(default, Enum) else default


@click.command(
    name="run",
    epilog="Stop the server with Ctrl+C. After a restart, all participants are in the same place.",
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
    """Serve CONFIG_FILE: the dashboard, and REST and Socket.IO for participants' apps.

    You may edit the file while the server runs. The server serves a valid version at once. If
    a version has errors, it reports them here and in the dashboard, and changes nothing.
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
        # On Windows, an interrupt raises KeyboardInterrupt after the server has closed.
        with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as stack:
            run_loop(serve(chosen, lambda running: _announce_or_stop(chosen, running, stack)))
        # The server has stopped, so an interrupt may end the process at once.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    except StudyInvalid as error:
        print_diagnostics(error.diagnostics, config_file.name, error.source)
        raise click.ClickException(f"{config_file} has errors; the server did not start") from None
    try:
        click.echo("Stopped." if chosen.place == MEMORY else "Stopped; the state is stored.")
    except OSError:
        discard_output()


def _announce_or_stop(settings: Settings, running: Running, stack: contextlib.ExitStack) -> None:
    try:
        _announce(settings, running, stack)
    except BrokenPipeError:
        log.warning("standard output was closed, so the server stops")
        discard_output()
        running.session.stopping.set()


def _announce(settings: Settings, running: Running, stack: contextlib.ExitStack) -> None:
    from experiment_server.server.addresses import are_only_local
    from experiment_server.session.tokens import login_path

    in_memory = settings.place == MEMORY
    database = "none; the state is lost when the server stops" if in_memory else running.database
    token = running.admin_token
    app_links = [f"{url}/app/?participant=1" for url in running.urls] if settings.app else []
    if settings.guarded and not settings.open:
        app_links = [f"experiment-server link {settings.config_file} 1"]
    # Other outputs than a terminal are stored, for example in a journal, so they get no token.
    is_terminal = sys.stdout.isatty()
    dashboard_path = "/" if not token else login_path(token) if is_terminal else "/login"
    links = [f"{url}{login_path(token)}" for url in running.urls] if token else []
    links_file = None
    if links and not is_terminal and settings.admin_token is None:
        links_file = stack.enter_context(private_file(settings.links_file, links))
    lines = {
        "Dashboard": [f"{url}{dashboard_path}" for url in running.urls],
        "Login link": [] if links_file is None else [f"in {links_file}"],
        "Participants": app_links,
        "REST": [f"{url}/api/" for url in running.urls],
        "Database": [database],
        "Session": [] if settings.session == DEFAULT_SESSION else [settings.session],
    }
    click.echo(f"Serving {settings.config_file}; Ctrl+C stops.")
    for label, values in lines.items():
        for number, value in enumerate(values):
            click.echo(f"  {'' if number else label + ':':<16}{value}")
    if settings.guarded and are_only_local(running.urls):
        click.secho(
            "Other machines cannot use these links. Set the server's address for other machines "
            "with --public-url, or listen on another address with --host.",
            fg="yellow",
            err=True,
        )
    if settings.guarded and settings.open:
        click.secho(
            "OPEN: everybody in this network can read and move participants without a token. "
            "Use --open only in a network that you trust.",
            fg="yellow",
            err=True,
        )
