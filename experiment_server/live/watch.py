"""The study file changed on disk: read it again."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from watchfiles import awatch

from experiment_server.errors import StudyFileUnreadable
from experiment_server.live.service import Service
from experiment_server.store.study_file import read_text
from experiment_server.study.parse import parse

log = logging.getLogger(__name__)

_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}

# Editors save in bursts (truncate, write, rename); the file is read once it is quiet this long.
QUIET_MILLISECONDS = 100


async def watch(path: Path, served: str, service: Service) -> None:
    """Apply every change of a study file to the service, until cancelled.

    `served` is the text that the service runs now. The folder is watched rather than the file,
    because editors that save by renaming put a new file in the old one's place.
    """
    last: str | None = served

    def concerns(_change: object, changed: str) -> bool:
        return Path(changed).name == path.name

    # Yields when nothing has changed for a while too: what was saved before the first
    # notification could arrive is read then.
    async for _ in awatch(
        path.parent,
        watch_filter=concerns,
        step=QUIET_MILLISECONDS,
        recursive=False,
        rust_timeout=1000,
        yield_on_timeout=True,
    ):
        try:
            text = read_text(path)
        except StudyFileUnreadable as error:
            if last is not None:
                log.warning("%s", error)
                await service.refuse(error)
            last = None
            continue
        if text != last:
            last = text
            await _load(path, text, service)


async def _load(path: Path, text: str, service: Service) -> None:
    parsed = await asyncio.to_thread(parse, text)
    for diagnostic in parsed.diagnostics:
        log.log(_LEVELS[diagnostic.severity], "%s", diagnostic.render(path.name, text))
    if parsed.study is None:
        log.error("%s has errors; the last good study keeps running", path.name)
    else:
        log.info("%s changed; now serving it to everyone", path.name)
    await service.apply(parsed)
