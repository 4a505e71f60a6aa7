"""The names of stored files: valid on every system, and inside the folder of their session."""

from __future__ import annotations

import re
from pathlib import Path

from pathvalidate import sanitize_filename

from experiment_server.errors import ParameterInvalid
from experiment_server.limits.results import (
    RESULT_NAME_MAX_LENGTH,
    RESULT_PATH_DEPTH_MAX,
    RESULT_SUFFIX_MAX_LENGTH,
)


def session_folder(folder: Path, session: str) -> Path:
    """The folder of a session's files in the folder of all sessions."""
    return folder.joinpath(*_names(session))


def requested_names(path: str, participant_index: int | None) -> list[str]:
    """The folders and the name of a requested path; raises ParameterInvalid if there is no name.

    The first folder is that of the participant, if there is one.
    """
    names = _names(path)
    if not names:
        raise ParameterInvalid(f"the path has to name a file, got {path[:200]!r}")
    return names if participant_index is None else [f"participant-{participant_index}", *names]


def numbered(path: Path, number: int) -> Path:
    """The path for the first, second, ... file of a name: `hand.csv`, `hand (2).csv`."""
    return path if number == 1 else path.with_name(f"{path.stem} ({number}){path.suffix}")


def _names(path: str) -> list[str]:
    """The parts of a path as names that are valid and safe on every system."""
    parts = [part.strip(" .") for part in re.split(r"[/\\]", path)]
    # A path that is too deep keeps its last names.
    names = [
        sanitize_filename(_shortened(part), "_", "universal", max_len=RESULT_NAME_MAX_LENGTH)
        for part in parts
        if part
    ]
    return [name for name in names if name.strip(" .")][-RESULT_PATH_DEPTH_MAX:]


def _shortened(name: str) -> str:
    """The beginning of a name that has too many bytes, with its suffix."""
    encoded, suffix = name.encode("utf-8", "replace"), Path(name).suffix
    if len(encoded) <= RESULT_NAME_MAX_LENGTH or len(suffix) > RESULT_SUFFIX_MAX_LENGTH:
        return name
    room = RESULT_NAME_MAX_LENGTH - len(suffix.encode("utf-8", "replace"))
    return encoded[:room].decode("utf-8", "ignore").rstrip(" .") + suffix
