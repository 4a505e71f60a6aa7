"""Locks on open files, which end with their process, however it ends."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import msvcrt
    import os

    # A lock covers bytes, which others cannot read then: one that no file has.
    _LOCKED_BYTE = 2**31 - 2

    def lock(descriptor: int) -> bool:
        """Lock a file; False if it is locked already. Raises OSError where locks do not work."""
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True
else:
    import fcntl

    def lock(descriptor: int) -> bool:
        """Lock a file; False if it is locked already. Raises OSError where locks do not work."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
