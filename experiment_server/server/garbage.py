"""Garbage collection that does not hold up who is served."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

from experiment_server.limits import GARBAGE_THRESHOLDS


@contextlib.contextmanager
def short_collections() -> Iterator[None]:
    """Let collections leave out what is there now, and full ones be rare, within the context.

    A full collection looks at every object while nobody is served: with 3,000 sockets it takes a
    third of a second, and by itself Python makes one whenever a quarter more objects have come.
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
