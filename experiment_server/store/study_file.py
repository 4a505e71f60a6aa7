"""The study file on disk."""

from __future__ import annotations

from pathlib import Path

from experiment_server.errors import StudyFileUnreadable
from experiment_server.study.model import Study
from experiment_server.study.parse import parse


def read_text(path: Path) -> str:
    """The text of a study file.

    Raises StudyFileUnreadable if it is missing, not named .toml, or not UTF-8.
    """
    if path.suffix.lower() != ".toml":
        raise StudyFileUnreadable(f"{path} is no study file: its name has to end with .toml")
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise StudyFileUnreadable(
            f"{path} does not exist; experiment-server new-config-file {path} makes one"
        ) from None
    except IsADirectoryError:
        raise StudyFileUnreadable(f"{path} is a directory, not a study file") from None
    except UnicodeDecodeError as error:
        raise StudyFileUnreadable(
            f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8 in your editor"
        ) from None
    except OSError as error:
        raise StudyFileUnreadable(f"{path} cannot be read: {error.strerror}") from None


def load_study(path: Path) -> Study:
    """The study in a file; raises StudyFileUnreadable, or StudyInvalid with its diagnostics."""
    return parse(read_text(path)).require()
