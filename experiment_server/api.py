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
    are seen when it is told to `reload`.
    """

    def __init__(
        self, config_file: str | PathLike[str], default_participant_index: int = 1
    ) -> None:
        self.config_file = Path(config_file)
        super().__init__(
            load_study(self.config_file),
            lambda: datetime.now(timezone.utc),
            default_participant_index,
        )

    def reload(self) -> None:
        """Read the file again, and take everybody to what is in it; positions are kept.

        Raises StudyFileUnreadable and StudyInvalid, with nothing changed.
        """
        self.use(load_study(self.config_file))
