"""Reads and writes the study file on disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

from experiment_server.errors import StoreUnavailable, StudyFileUnreadable
from experiment_server.limits.study import STUDY_MAX_BYTES
from experiment_server.store.drafts import FileDraft
from experiment_server.store.table_files import read_file, read_tables
from experiment_server.study.model import Study
from experiment_server.study.parse import parse
from experiment_server.study.source import StudySource, TableFile
from experiment_server.study.tables import files_named_in


def read_text(path: Path) -> str:
    """The text of a study file.

    Raises StudyFileUnreadable if it is missing, not named .toml, not UTF-8, or too large.
    """
    if path.suffix.lower() != ".toml":
        raise StudyFileUnreadable(f"{path} is no study file: its name has to end with .toml")
    try:
        text = read_file(path)
        if text is None:
            what = "a directory, not a study file" if path.is_dir() else "no file"
            raise StudyFileUnreadable(f"{path} is {what}")
        if len(text) > STUDY_MAX_BYTES:
            raise StudyFileUnreadable(
                f"{path} has more than {STUDY_MAX_BYTES // 1024**2} MB, and a study file has less; "
                "large data belongs into files of the app"
            )
        return text.decode("utf-8")
    except FileNotFoundError:
        raise StudyFileUnreadable(
            f"{path} does not exist; experiment-server new-config-file {path} makes one"
        ) from None
    except UnicodeDecodeError as error:
        raise StudyFileUnreadable(
            f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8 in your editor"
        ) from None
    except OSError as error:
        raise StudyFileUnreadable(f"{path} cannot be read: {error.strerror}") from None


def read_source(path: Path) -> StudySource:
    """A study file with its tables; raises StudyFileUnreadable if the study file is unreadable."""
    text = read_text(path)
    return StudySource(text, read_tables(path.parent, files_named_in(text)))


def load_study(path: Path) -> Study:
    """The study in a file; raises StudyFileUnreadable, or StudyInvalid with its diagnostics."""
    return parse(read_source(path)).require()


class StudyDraft:
    """A new study on the disk, which replaces the study file when it is published.

    It includes the given tables. Raises StoreUnavailable if it cannot be written.
    """

    def __init__(self, path: Path, source: StudySource, tables: Iterable[TableFile] = ()) -> None:
        self._files: list[_TextDraft] = []
        # The study file is last: until then, the old study is in effect.
        files = [(path.parent / table.path, table.text) for table in tables]
        try:
            for place, text in [*files, (path, source.text)]:
                self._files.append(_TextDraft(place, text))
        except StoreUnavailable:
            self.discard()
            raise

    def publish(self) -> None:
        """Replace the tables, and last the study file; raises StoreUnavailable."""
        for file in self._files:
            file.publish()

    def discard(self) -> None:
        """Remove all files that were not published."""
        for file in self._files:
            file.discard()


class _TextDraft:
    """A new text on the disk, which replaces a file when it is published.

    Raises StoreUnavailable if it cannot be written.
    """

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        # The target of a link is replaced, not the link.
        self._place = path.resolve()
        try:
            self._place.parent.mkdir(parents=True, exist_ok=True)
            self._draft = FileDraft.unnamed(self._place.parent, f".{self._place.name}.")
        except OSError as error:
            raise self._refusal(error) from None
        try:
            self._draft.write(text.encode("utf-8"))
            self._draft.finish()
            with contextlib.suppress(FileNotFoundError):
                self._draft.path.chmod(self._place.stat().st_mode)
        except OSError as error:
            self.discard()
            raise self._refusal(error) from None

    def publish(self) -> None:
        """Replace the file; raises StoreUnavailable, and then the file is unchanged."""
        try:
            self._draft.publish(self._place)
        except OSError as error:
            raise self._refusal(error) from None

    def discard(self) -> None:
        """Remove the text if it was not published."""
        self._draft.discard()

    def _refusal(self, error: OSError) -> StoreUnavailable:
        return StoreUnavailable(
            f"{self._path} could not be written, and is as it was: {error.strerror or error}"
        )
