"""Settings of the garbage collector for short pauses."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

from experiment_server.limits.session import GARBAGE_THRESHOLDS


@contextlib.contextmanager
def short_collections() -> Iterator[None]:
    """Exclude existing objects from garbage collection, and make full collections rare.

    A full collection visits every object and blocks the event loop: with 3,000 sockets it takes a
    third of a second. By default Python makes one each time the number of objects has grown by a
    quarter.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
