"""The study file changed on disk: read it again, once whoever writes it is done."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

from watchfiles import awatch

from experiment_server.errors import StoreUnavailable, StudyFileUnreadable
from experiment_server.limits import FILE_SETTLE_S
from experiment_server.session.study_file import ON_DISK, StudyFile
from experiment_server.study.parse import Parsed, reader_failed
from experiment_server.study.source import StudySource

log = logging.getLogger(__name__)

_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}

# How often the file is looked at although no notice came: network drives send none. Seconds.
LOOKED_AT = 1.0


async def watch(study_file: StudyFile) -> None:
    """Load every change of a study's file and of its tables, until cancelled.

    The folder is watched rather than the files, because editors that save by renaming put a new
    file in the old one's place. Tables in folders below are found when they are looked at.
    """
    missing: str | None = None

    def concerns(_change: object, changed: str) -> bool:
        return study_file.concerns(Path(changed).name)

    # Yields when nothing has changed for a while too: what was saved before the first
    # notification could arrive is read then.
    async for _ in awatch(
        study_file.path.parent,
        watch_filter=concerns,
        step=50,
        recursive=False,
        rust_timeout=int(LOOKED_AT * 1000),
        yield_on_timeout=True,
    ):
        try:
            source = await _settled(study_file)
        except StudyFileUnreadable as error:
            if missing != error.detail:
                log.warning("%s", error)
                await study_file.refuse(error)
            missing = error.detail
            continue
        except Exception:
            log.exception("%s could not be looked at; it is again in a moment", study_file.name)
            continue
        missing = None
        if source is not None:
            await _load_safely(study_file, source)


async def _load_safely(study_file: StudyFile, source: StudySource) -> None:
    """Load what was read; whatever that raises, the next change is looked at."""
    try:
        await _load(study_file, source)
    except Exception as error:
        log.exception("%s could not be read; the last good study keeps running", study_file.name)
        with contextlib.suppress(StoreUnavailable):
            await study_file.load(Parsed(None, (reader_failed(error),), source), ON_DISK)


async def _settled(study_file: StudyFile) -> StudySource | None:
    """The study once its files have stopped changing, None if it is no news.

    An empty file, or none at all, is most often one that is about to be written.
    """
    before = await _read(study_file)
    if isinstance(before, StudySource) and study_file.knows(before):
        return None
    waits = _patience(before)
    while waits:
        await asyncio.sleep(FILE_SETTLE_S)
        now = await _read(study_file)
        if _same(now, before):
            waits -= 1
        else:
            before, waits = now, _patience(now)
    if isinstance(before, StudyFileUnreadable):
        raise before
    return None if study_file.knows(before) else before


def _patience(found: StudySource | StudyFileUnreadable) -> int:
    whole = (
        isinstance(found, StudySource)
        and bool(found.text)
        and all(table.text for table in found.tables)
    )
    return 1 if whole else int(LOOKED_AT / FILE_SETTLE_S)


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
        # It is tried again at the next look.
        log.error("%s is not served yet: %s", study_file.name, error)
        return
    if parsed.study is not None:
        log.info("serving version %d of %s", study_file.served().version, study_file.name)
