"""Watches the study file and its tables on disk, and loads their changes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from experiment_server.errors import StoreUnavailable, StudyFileUnreadable
from experiment_server.limits.session import FILE_SETTLE_S
from experiment_server.session.study_file import ON_DISK, StudyFile
from experiment_server.study.parse import Parsed, reader_failed
from experiment_server.study.source import StudySource

log = logging.getLogger(__name__)

_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}

# Interval between two looks at the files' stamps.
POLL_INTERVAL_S = 0.2

# The files are also read at this interval, because some network drives have coarse times.
READ_INTERVAL_S = 1.0


async def watch(study_file: StudyFile) -> None:
    """Load each change of a study file and its tables, until cancelled."""
    reported: str | None = None
    async for _ in _possible_changes(study_file):
        try:
            source = await _read_when_settled(study_file)
        except StudyFileUnreadable as error:
            if reported != error.detail:
                log.warning("%s", error)
                await study_file.refuse(error)
            reported = error.detail
            continue
        except Exception:
            log.exception("%s could not be read; the server tries again soon", study_file.name)
            continue
        reported = None
        if source is not None:
            await _load_safely(study_file, source)


async def _possible_changes(study_file: StudyFile) -> AsyncIterator[None]:
    """Yield when a file of the study may have changed, and at every reading interval.

    This polls, because notifications of the system are for a whole folder: they would come for
    every transaction of a database in the same folder.
    """
    known, read_at = None, float("-inf")
    while True:
        found = await asyncio.to_thread(_stamps, study_file.files())
        if found != known or time.monotonic() - read_at >= READ_INTERVAL_S:
            known, read_at = found, time.monotonic()
            yield
        await asyncio.sleep(POLL_INTERVAL_S)


def _stamps(files: Sequence[Path]) -> list[tuple[int, int, int] | None]:
    """The inode, the time of the last change and the size of each file; None if it is missing."""
    stamps: list[tuple[int, int, int] | None] = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            stamps.append(None)
        else:
            stamps.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return stamps


async def _load_safely(study_file: StudyFile, source: StudySource) -> None:
    """Load a source, and log any error, so that the watcher continues."""
    try:
        await _load(study_file, source)
    except Exception as error:
        log.exception("%s could not be loaded; the last good study keeps running", study_file.name)
        with contextlib.suppress(StoreUnavailable):
            await study_file.load(Parsed(None, (reader_failed(error),), source), ON_DISK)


async def _read_when_settled(study_file: StudyFile) -> StudySource | None:
    """The study when its files have stopped changing; None if it was processed already.

    If a file is empty or missing, an editor is probably about to write it, so this waits longer.
    """
    before = await _read(study_file)
    if isinstance(before, StudySource) and study_file.is_processed(before):
        return None
    repeats = _repeats_needed(before)
    while repeats:
        await asyncio.sleep(FILE_SETTLE_S)
        now = await _read(study_file)
        if _same(now, before):
            repeats -= 1
        else:
            before, repeats = now, _repeats_needed(now)
    if isinstance(before, StudyFileUnreadable):
        raise before
    return None if study_file.is_processed(before) else before


def _repeats_needed(found: StudySource | StudyFileUnreadable) -> int:
    whole = (
        isinstance(found, StudySource)
        and bool(found.text)
        and all(table.text for table in found.tables)
    )
    return 1 if whole else int(READ_INTERVAL_S / FILE_SETTLE_S)


def _same(one: StudySource | StudyFileUnreadable, other: StudySource | StudyFileUnreadable) -> bool:
    if isinstance(one, StudySource) or isinstance(other, StudySource):
        return one == other
    return str(one) == str(other)


async def _read(study_file: StudyFile) -> StudySource | StudyFileUnreadable:
    try:
        return await study_file.read_source()
    except StudyFileUnreadable as error:
        return error


async def _load(study_file: StudyFile, source: StudySource) -> None:
    parsed = await study_file.parse(source)
    for diagnostic in parsed.diagnostics:
        log.log(_LEVELS[diagnostic.severity], "%s", diagnostic.render(study_file.name, source))
    if parsed.study is None:
        log.error("%s has errors; the last good study keeps running", study_file.name)
    try:
        await study_file.load(parsed, ON_DISK)
    except StoreUnavailable as error:
        # The watcher tries again at the next poll.
        log.error("%s is not served yet: %s", study_file.name, error)
        return
    if parsed.study is not None:
        log.info("serving version %d of %s", study_file.served().version, study_file.name)
