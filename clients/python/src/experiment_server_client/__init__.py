"""Programs that take part in a study: `Client` waits for answers, `AsyncClient` uses asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiment_server_client.errors import StudyError
from experiment_server_client.records import RecordProblem, RecordWarning
from experiment_server_client.rest import Block, Client
from experiment_server_client.snapshot import Snapshot

if TYPE_CHECKING:
    from experiment_server_client.live import AsyncClient

__all__ = [
    "AsyncClient",
    "Block",
    "Client",
    "RecordProblem",
    "RecordWarning",
    "Snapshot",
    "StudyError",
]


def __getattr__(name: str) -> object:
    # Loaded when first used: `Client` needs only the standard library.
    if name == "AsyncClient":
        try:
            from experiment_server_client.live import AsyncClient
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"AsyncClient needs {error.name}: pip install 'experiment-server-client[async]'",
                name=error.name,
            ) from error
        return AsyncClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
