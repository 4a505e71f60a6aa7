"""The study file on disk."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from experiment_server.errors import StoreUnavailable, StudyFileUnreadable
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


def write_text(path: Path, text: str) -> None:
    """Put a text in a study file's place, all of it or, if anything fails, nothing.

    Raises StoreUnavailable.
    """
    # What a link points to is replaced, not the link.
    place = path.resolve()
    draft = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=place.parent, prefix=f".{place.name}.", delete=False
        ) as file:
            draft = Path(file.name)
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            draft.chmod(place.stat().st_mode)
        draft.replace(place)
        flush_folder(place.parent)
    except OSError as error:
        if draft is not None:
            draft.unlink(missing_ok=True)
        raise StoreUnavailable(
            f"{path} could not be written, and is as it was: {error.strerror or error}"
        ) from None


def flush_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    # A rename is safe once its folder is on the disk; Windows cannot open folders, and needs not.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
