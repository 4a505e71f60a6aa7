"""The settings of a server; the command line and its help derive from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from experiment_server.limits.network import CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX
from experiment_server.limits.session import PARTICIPANT_INDEX_MAX
from experiment_server.participants.versions import OnChange
from experiment_server.server.addresses import is_loopback
from experiment_server.server.log_format import LogFormat
from experiment_server.store.options import DEFAULT_SESSION, Durability
from experiment_server.store.uploaded_files import default_folder

Default = TypeVar("Default")


def _option(
    default: Default, flags: tuple[str, ...], help_text: str, **more: str | int | None
) -> Default:
    return field(default=default, metadata={"flags": flags, "help": help_text, **more})


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings for serving one study file.

    Each field except `config_file` has `metadata` for the command line: `flags`, `help`, and
    sometimes `metavar`, `minimum` and `maximum`.
    """

    config_file: Path
    default_participant_index: int = _option(
        1,
        ("-i", "--default-participant-index"),
        "The participant for clients that send no index.",
        metavar="N",
        minimum=1,
        maximum=PARTICIPANT_INDEX_MAX,
    )
    host: str = _option(
        "127.0.0.1",
        ("-h", "--host"),
        "The address to listen on; with 0.0.0.0, other machines can connect.",
        metavar="ADDRESS",
    )
    port: int = _option(
        5000,
        ("-p", "--port"),
        "The port to listen on; 0 selects a free one.",
        metavar="PORT",
        minimum=0,
        maximum=65535,
    )
    database: str | None = _option(
        None,
        ("--database",),
        "The database: a file, postgresql://user@host/name, or :memory: to store nothing on disk. "
        "The default is a .sqlite3 file beside the study file.",
        metavar="PLACE",
    )
    session: str = _option(
        DEFAULT_SESSION,
        ("--session",),
        "The session of the study, for example pilot. Each session has its own participants.",
        metavar="NAME",
    )
    durability: Durability = _option(
        Durability.FULL,
        ("--durability",),
        "What acknowledged moves survive. full: a power failure and a crash; fast: a crash of the "
        "server only, with shorter response times.",
        metavar="full|fast",
    )
    on_change: OnChange = _option(
        OnChange.ALL,
        ("--on-change",),
        "Which participants get a new study version when the file changes: all, those who have "
        "not started, or only new ones. The others keep their version.",
        metavar="all|unstarted|new",
    )
    app: Path | None = _option(
        None,
        ("--app",),
        "A folder with a web app for participants; the server serves it under /app/.",
        metavar="FOLDER",
    )

    data: Path | None = _option(
        None,
        ("--data",),
        "The folder for files that apps upload; each session has a subfolder. The default is a "
        "folder beside the study file, named after it.",
        metavar="FOLDER",
    )

    admin_token: str | None = _option(
        None,
        ("--admin-token",),
        "The experimenters' token. By default the server creates one if it needs one. On "
        "127.0.0.1 it needs none, unless you set one here.",
        metavar="TOKEN",
        variable="EXPERIMENT_SERVER_ADMIN_TOKEN",
    )
    open: bool = _option(
        False,
        ("--open",),
        "Participants' apps need no tokens. Use this only in a network that you trust. The "
        "dashboard and all experimenters' operations still need the admin token.",
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
        "The address of the server for other machines, for example behind a reverse proxy. Links "
        "and QR codes begin with it. The server then requires tokens.",
        metavar="URL",
    )
    trusted_proxy: tuple[str, ...] = _option(
        (),
        ("--trusted-proxy",),
        "The address of a reverse proxy whose X-Forwarded headers the server trusts. The server "
        "then requires tokens.",
        metavar="ADDRESS",
    )
    cors_origin: tuple[str, ...] = _option(
        (),
        ("--cors-origin",),
        "The origin of a web app on another server that may call this server, "
        "for example https://my-app.example.",
        metavar="ORIGIN",
    )

    max_connections: int = _option(
        CONNECTIONS_MAX,
        ("--max-connections",),
        "The maximum number of connections; lower if the system allows fewer open files.",
        metavar="N",
        minimum=1,
        maximum=1_000_000,
        variable="EXPERIMENT_SERVER_MAX_CONNECTIONS",
    )
    max_connections_per_address: int = _option(
        CONNECTIONS_PER_ADDRESS_MAX,
        ("--max-connections-per-address",),
        "The maximum number of connections from one address. Clients behind one router share an "
        "address; clients behind a --trusted-proxy do not.",
        metavar="N",
        minimum=1,
        maximum=1_000_000,
        variable="EXPERIMENT_SERVER_MAX_CONNECTIONS_PER_ADDRESS",
    )

    log_format: LogFormat = _option(
        LogFormat.TEXT,
        ("--log-format",),
        "The format of log lines: text for people, json for programs.",
        metavar="text|json",
    )

    @property
    def guarded(self) -> bool:
        """Whether the server requires tokens."""
        return bool(
            self.admin_token or self.trusted_proxy or self.public_url or not is_loopback(self.host)
        )

    @property
    def data_folder(self) -> Path:
        """The folder for the uploaded files of all sessions: `study-data` for `study.toml`."""
        return self.data or default_folder(self.config_file)

    @property
    def links_file(self) -> Path:
        """The file for the experimenters' login link, if the server cannot print it."""
        return self.config_file.with_name(f"{self.config_file.stem}-login-link.txt")

    @property
    def place(self) -> str:
        """The database, in the form that `store.database.DatabaseAddress.of` takes."""
        return self.database or str(self.config_file.with_suffix(".sqlite3"))
