"""Runs human-subjects studies: one TOML file in, the right block to every participant's app."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from experiment_server.api import Experiment
    from experiment_server.server.process import server_process
    from experiment_server_client import AsyncClient, Client, StudyError

__all__ = ["AsyncClient", "Client", "Experiment", "StudyError", "server_process"]

# Loaded when first used: a participant's app that wants the Client does not load the server.
_HOMES = {
    "AsyncClient": "experiment_server_client",
    "StudyError": "experiment_server_client",
    "Client": "experiment_server_client",
    "Experiment": "experiment_server.api",
    "server_process": "experiment_server.server.process",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
