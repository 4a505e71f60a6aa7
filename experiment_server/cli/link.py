"""`link`: create a login link for a participant's app."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone

import click

from experiment_server.cli.stored import session_of, session_option, stored_argument
from experiment_server.limits.session import LINK_LIFETIME_S, PARTICIPANT_INDEX_MAX

_DAY = 24 * 60 * 60


@click.command(
    name="link",
    epilog="Example: `experiment-server link study.toml 7 --url http://192.168.0.5:5000`. "
    "The link allows its holder to read and move participant 7 only. It stays valid when the "
    "server restarts.",
)
@stored_argument
@click.argument("participant_index", type=click.IntRange(1, PARTICIPANT_INDEX_MAX))
@session_option
@click.option(
    "--url",
    metavar="URL",
    help="The server's address for the participant's device. By default, the command prints a link "
    "for each address of this machine.",
)
@click.option(
    "-p",
    "--port",
    type=click.IntRange(1, 65535),
    default=5000,
    show_default=True,
    metavar="PORT",
    help="The server's port, if you give no --url.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=LINK_LIFETIME_S // _DAY,
    show_default=True,
    metavar="N",
    help="How many days the link is valid.",
)
def command(
    file: str, participant_index: int, session: str, url: str | None, port: int, days: int
) -> None:
    """Print a login link for PARTICIPANT_INDEX of FILE, and on a terminal its QR code."""
    from experiment_server.server.addresses import are_only_local, urls_for_others
    from experiment_server.session.tokens import Tokens, login_path
    from experiment_server.store import records

    with session_of(file, session) as (connection, number):
        tokens = Tokens(records.signing_key(connection, number), session)
    token = tokens.participant(participant_index, datetime.now(timezone.utc), timedelta(days=days))
    urls = urls_for_others("0.0.0.0", port, public_url=url)  # noqa: S104 - only looked at
    for base in urls:
        address = f"{base}{login_path(token)}"
        click.echo(address)
        if sys.stdout.isatty():
            import segno

            segno.make(address, micro=False).terminal(compact=True)
    if are_only_local(urls):
        click.secho(
            "Other machines cannot use this link; give the server's address with --url.",
            fg="yellow",
            err=True,
        )
