"""The folder of an export, which is there when it is complete and not before."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from experiment_server.errors import OutputUnwritable
from experiment_server.store.drafts import flush_folder


@contextlib.contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out`, which is renamed to `out` when the context ends without an error.

    Raises OutputUnwritable if `out` is there and is not an empty folder.
    """
    out = out.absolute()
    _require_free(out)
    draft = out.with_name(f".{out.name}-{uuid4().hex[:8]}.part")
    try:
        draft.mkdir(parents=True)
        yield draft
        _publish(draft, out)
    except OSError as error:
        place = error.filename or out
        raise OutputUnwritable(
            f"{place} cannot be written: {error.strerror or error}; nothing was exported"
        ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _require_free(out: Path) -> None:
    if out.is_dir():
        if any(out.iterdir()):
            raise OutputUnwritable(
                f"{out} is not empty; nothing was overwritten, choose another folder"
            )
    elif os.path.lexists(out):
        raise OutputUnwritable(f"{out} is not a folder; nothing was overwritten, choose another")


def _publish(draft: Path, out: Path) -> None:
    for folder, _, names in os.walk(draft):
        for name in names:
            with Path(folder, name).open("r+b") as file:
                os.fsync(file.fileno())
    with contextlib.suppress(FileNotFoundError):
        # Windows renames nothing to a folder that is there.
        out.rmdir()
    draft.rename(out)
    flush_folder(out.parent)
