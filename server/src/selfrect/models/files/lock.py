# SPDX-License-Identifier: GPL-3.0-or-later
"""One download at a time into a folder, whichever process or thread does it. The system lets go when the owner dies."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "selfrect-model.lock"
_TAKEN = {errno.EACCES, errno.EAGAIN, errno.EDEADLK, getattr(errno, "EDEADLOCK", errno.EDEADLK)}


@contextmanager
def locked(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the folder's lock. waiting: called five times a second while another has it; what it raises ends the wait.

    A file system that knows no locks (some network drives) does without.
    """
    file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        while not _take(file):
            waiting()
            time.sleep(0.2)
        yield
    finally:
        os.close(file)  # and leave it there: deleting it would let two of those who wait in


def _take(file: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _TAKEN
    return True
