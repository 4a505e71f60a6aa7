"""The Python API over files and the real clock; `experiment_server` re-exports it."""

from __future__ import annotations

from datetime import datetime, timezone
from os import PathLike
from pathlib import Path

from experiment_server.participants.experiment import Experiment as PureExperiment
from experiment_server.store.study_file import load_study


class Experiment(PureExperiment):
    """A study file and its participants in memory, without a server.

    Raises StudyFileUnreadable, or StudyInvalid with every diagnostic. Later changes of the file
    are not seen.
    """

    def __init__(
        self, config_file: str | PathLike[str], default_participant_index: int = 1
    ) -> None:
        super().__init__(
            load_study(Path(config_file)),
            lambda: datetime.now(timezone.utc),
            default_participant_index,
        )
