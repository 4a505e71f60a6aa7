"""The Python API with files and the real clock; `experiment_server` re-exports it."""

from __future__ import annotations

from datetime import datetime, timezone
from os import PathLike
from pathlib import Path

from experiment_server.participants.experiment import Experiment as PureExperiment
from experiment_server.store.study_file import load_study


class Experiment(PureExperiment):
    """A study file and its participants in memory, without a server.

    Raises StudyFileUnreadable, or StudyInvalid with all diagnostics. Call `reload` to read later
    changes of the file.
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
        """Read the file again, and migrate all participants to it; they keep their positions.

        Raises StudyFileUnreadable and StudyInvalid; nothing has changed then.
        """
        self.use(load_study(self.config_file))
