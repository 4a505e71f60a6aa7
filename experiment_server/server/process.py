"""A server in a process of its own, for scripts and tests that need one beside them."""

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
    """A process that serves a study file once it is started; not started yet.

    Stop it with Client.shutdown(), or with its terminate(). It exits with 1, and says why on
    stderr, if the study has errors or the address is taken.
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
