"""A server in a separate process, for scripts and tests."""

from __future__ import annotations

import multiprocessing
import sys
from os import PathLike
from pathlib import Path

from experiment_server.errors import ExperimentServerError
from experiment_server.server.settings import Settings


def server_process(
    config_file: str | PathLike[str],
    default_participant_index: int | None = None,
    host: str = "127.0.0.1",
    port: int | str = 5000,
) -> multiprocessing.Process:
    """Return a process that serves a study file; the caller starts it.

    Stop it with Client.shutdown() or its terminate(). If the study has errors or the address is in
    use, it writes the reason to stderr and exits with 1.
    """
    settings = Settings(
        Path(config_file),
        default_participant_index=default_participant_index or 1,
        host=host,
        port=int(port),
    )
    return multiprocessing.Process(target=_serve, args=(settings,), name="experiment-server")


def _serve(settings: Settings) -> None:
    from experiment_server.server.app import serve
    from experiment_server.server.event_loop import run_loop

    try:
        run_loop(serve(settings, lambda _running: None))
    except ExperimentServerError as error:
        sys.exit(f"experiment-server: {error.detail}")
