"""Everything that can be set about a server, once: the command line and its help derive from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from experiment_server.limits import (
    CONNECTIONS_MAX,
    CONNECTIONS_PER_ADDRESS_MAX,
    PARTICIPANT_INDEX_MAX,
)
from experiment_server.participants.versions import OnChange
from experiment_server.server.addresses import is_loopback
from experiment_server.server.log_format import LogFormat
from experiment_server.store.options import DEFAULT_SESSION, Durability

Default = TypeVar("Default")


def _option(
    default: Default, flags: tuple[str, ...], help_text: str, **more: str | int | None
) -> Default:
    return field(default=default, metadata={"flags": flags, "help": help_text, **more})


@dataclass(frozen=True, slots=True)
class Settings:
    """How to serve one study file.

    Each field but `config_file` has `metadata` for the command line: `flags`, `help`, and
    sometimes `metavar`, `minimum` and `maximum`.
    """

    config_file: Path
    default_participant_index: int = _option(
        1,
        ("-i", "--default-participant-index"),
        "The participant meant by clients that name none.",
        metavar="N",
        minimum=1,
        maximum=PARTICIPANT_INDEX_MAX,
    )
    host: str = _option(
        "127.0.0.1",
        ("-h", "--host"),
        "The address to listen on; 0.0.0.0 lets other machines in.",
        metavar="ADDRESS",
    )
    port: int = _option(
        5000,
        ("-p", "--port"),
        "The port to listen on; 0 takes any free one.",
        metavar="PORT",
        minimum=0,
        maximum=65535,
    )
    database: str | None = _option(
        None,
        ("--database",),
        "Where the study's state is kept: a file, postgresql://user@host/name, or :memory: to keep "
        "nothing. By default a .sqlite3 file beside the study file.",
        metavar="PLACE",
    )
    session: str = _option(
        DEFAULT_SESSION,
        ("--session",),
        "Which run of the study this is, for example pilot: each has participants of its own.",
        metavar="NAME",
    )
    durability: Durability = _option(
        Durability.FULL,
        ("--durability",),
        "What an acknowledged move survives: full, a power cut too; fast, any crash of the "
        "server, and it answers sooner.",
        metavar="full|fast",
    )
    on_change: OnChange = _option(
        OnChange.ALL,
        ("--on-change",),
        "Who gets a new version of the study when the file changes: all; those who are unstarted; "
        "or only new participants. The others keep the version they have.",
        metavar="all|unstarted|new",
    )
    app: Path | None = _option(
        None,
        ("--app",),
        "A folder with a web app for participants, served under /app/.",
        metavar="FOLDER",
    )

    data: Path | None = _option(
        None,
        ("--data",),
        "Where the files are kept that apps send, in a folder for each session. By default a "
        "folder beside the study file, named after it.",
        metavar="FOLDER",
    )

    admin_token: str | None = _option(
        None,
        ("--admin-token",),
        "The experimenters' token. By default one is made at the start, where one is needed; on "
        "127.0.0.1 none is, unless you give one here.",
        metavar="TOKEN",
        variable="EXPERIMENT_SERVER_ADMIN_TOKEN",
    )
    open: bool = _option(
        False,
        ("--open",),
        "Let participants' apps in without tokens, for a network that you trust. The dashboard "
        "and all that experimenters do still need theirs.",
        metavar=None,
    )
    tls_cert: Path | None = _option(
        None, ("--tls-cert",), "A certificate (PEM), to serve https.", metavar="FILE"
    )
    tls_key: Path | None = _option(
        None, ("--tls-key",), "The certificate's private key (PEM).", metavar="FILE"
    )
    public_url: str | None = _option(
        None,
        ("--public-url",),
        "The address that others reach the server at, for example through a reverse proxy: links "
        "and QR codes begin with it. Tokens are needed then.",
        metavar="URL",
    )
    trusted_proxy: tuple[str, ...] = _option(
        (),
        ("--trusted-proxy",),
        "The address of a reverse proxy, whose X-Forwarded headers are believed. Tokens are "
        "needed then.",
        metavar="ADDRESS",
    )
    cors_origin: tuple[str, ...] = _option(
        (),
        ("--cors-origin",),
        "The origin of a web app on another server that may talk to this one, "
        "for example https://my-app.example.",
        metavar="ORIGIN",
    )

    max_connections: int = _option(
        CONNECTIONS_MAX,
        ("--max-connections",),
        "How many connections there may be in all; fewer where the system allows fewer open files.",
        metavar="N",
        minimum=1,
        maximum=1_000_000,
        variable="EXPERIMENT_SERVER_MAX_CONNECTIONS",
    )
    max_connections_per_address: int = _option(
        CONNECTIONS_PER_ADDRESS_MAX,
        ("--max-connections-per-address",),
        "How many connections one address may have. People behind one router share one; those "
        "behind a --trusted-proxy do not.",
        metavar="N",
        minimum=1,
        maximum=1_000_000,
        variable="EXPERIMENT_SERVER_MAX_CONNECTIONS_PER_ADDRESS",
    )

    log_format: LogFormat = _option(
        LogFormat.TEXT,
        ("--log-format",),
        "How log lines are written: text for people, json for programs.",
        metavar="text|json",
    )

    @property
    def guarded(self) -> bool:
        """Whether tokens are needed."""
        return bool(
            self.admin_token or self.trusted_proxy or self.public_url or not is_loopback(self.host)
        )

    @property
    def data_folder(self) -> Path:
        """Where the files of all sessions are: `study-data` for `study.toml`."""
        return self.data or self.config_file.with_name(f"{self.config_file.stem}-data")

    @property
    def links_file(self) -> Path:
        """Where the experimenters' login link is while a server runs that could not show it."""
        return self.config_file.with_name(f"{self.config_file.stem}-login-link.txt")

    @property
    def place(self) -> str:
        """The database as `store.database.Place.of` takes it."""
        return self.database or str(self.config_file.with_suffix(".sqlite3"))
