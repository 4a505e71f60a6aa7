"""`experiment-server`: runs commands, and reports errors with a message and an exit code."""

from __future__ import annotations

import importlib
from typing import NamedTuple

import click

from experiment_server.errors import ExperimentServerError, StudyInvalid


class Command(NamedTuple):
    """A command's name, aliases and summary, without an import of its module."""

    name: str
    aliases: tuple[str, ...]
    summary: str

    @property
    def module(self) -> str:
        """The module that has the command, under the name `command`."""
        return f"experiment_server.cli.{self.name.replace('-', '_')}"


COMMANDS = (
    Command("new-config-file", ("n", "new"), "Write a commented study file to start from."),
    Command("verify-config-file", ("v", "verify"), "Check a study file and show its orders."),
    Command("generate-config-json", ("g", "generate"), "Write participants' blocks as JSON."),
    Command("design", ("d",), "Report what the orders balance, and for how many participants."),
    Command("explain", (), "Show where a participant's blocks and values come from."),
    Command("schema", (), "Print the JSON Schema of a study file, for editors."),
    Command("run", ("r",), "Serve a study to participants and experimenters."),
    Command("simulate", (), "Rehearse a study with simulated participants."),
    Command("call", (), "Call an operation of a running server: move, add, undo and others."),
    Command("link", (), "Make a login link for a participant's device."),
    Command("events", (), "Show the event log, and verify that it was not changed."),
    Command("export", (), "Export the log, the times and the study versions as files."),
    Command("backup", (), "Back up a study's database, also while a server runs."),
    Command("sessions", (), "List the sessions of a study, for example pilot and main."),
)


class LazyGroup(click.Group):
    """Lists commands without importing them, so that --help is fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands' names, without aliases."""
        return [command.name for command in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with this name or alias."""
        for command in COMMANDS:
            if cmd_name in (command.name, *command.aliases):
                found: click.Command = importlib.import_module(command.module).command
                return found
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command for the arguments, with its full name even if an alias was used."""
        _, command, rest = super().resolve_command(ctx, args)
        return command.name if command else None, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, each with its aliases."""
        with formatter.section("Commands"):
            formatter.write_dl([(_with_aliases(command), command.summary) for command in COMMANDS])

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; an ExperimentServerError ends it with its message and exit code 1."""
        try:
            return super().invoke(ctx)
        except StudyInvalid as error:
            from experiment_server.cli.output import print_diagnostics

            print_diagnostics(error.diagnostics, source=error.source)
            raise click.ClickException("the study has errors, so nothing was done") from None
        except ExperimentServerError as error:
            raise click.ClickException(error.detail) from None


def _with_aliases(command: Command) -> str:
    return f"{command.name} ({', '.join(command.aliases)})" if command.aliases else command.name


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["--help"]},
    epilog="To begin: `experiment-server new my-study.toml`, edit the file, "
    "`experiment-server verify my-study.toml`, `experiment-server run my-study.toml`. "
    "Exit codes: 0 success, 1 error with a message, 2 wrong usage.",
)
@click.version_option(package_name="experiment-server", message="%(version)s")
def main() -> None:
    """Run human-subjects studies. One TOML file describes the blocks of all participants. The
    server gives each participant's app the current block. You control the study in a browser."""
    from experiment_server.cli.output import escape_unencodable

    escape_unencodable()
