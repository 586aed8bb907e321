# SPDX-License-Identifier: GPL-3.0-or-later
"""One installation at a time in a folder, whoever runs it: a lock of the operating system on a file that names its owner.

The system lets go of the lock when its owner dies, so a stale one cannot exist. Where the folder's file system knows no
locks (some network drives), the owner's process number decides.
"""
from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import time
from pathlib import Path

from .marker import read_json

_AT = 1 << 20  # Windows locks bytes, and those cannot be read by others: one far behind the text
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


class Lock:
    def __init__(self, path: Path):
        self.path = path
        self._file: int | None = None

    def take(self) -> bool:
        """Whether it is ours now. Raises OSError where the file cannot be made."""
        for _ in range(5):
            if self._file is not None or self._try():
                return True
            time.sleep(0.02)  # another Blender that only looked holds it for an instant
        return False

    def _try(self) -> bool:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0), 0o666)
        if not (_locked(file) if _has_locks(file) else not _alive(self.owner())):
            os.close(file)
            return False
        if os.fstat(file).st_nlink == 0:  # an uninstallation deleted it between opening and locking
            os.close(file)
            return False
        os.ftruncate(file, 0)
        os.write(file, f'{{"pid": {os.getpid()}, "host": "{socket.gethostname()}"}}'.encode())
        self._file = file
        return True

    def release(self, delete: bool = False) -> None:
        """Let go; delete: the file as well. Does nothing where it is not ours."""
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)
        if delete and sys.platform != "win32":  # while it is held, so that nobody else's lock is deleted
            self.path.unlink(missing_ok=True)
        os.close(self._file)
        self._file = None
        if delete and sys.platform == "win32":
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)

    def taken_by_another(self) -> bool:
        """Whether somebody else holds it now."""
        if self._file is not None or not self.path.exists():
            return False
        try:
            file = os.open(self.path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        except OSError:
            return False  # a folder that is read-only for us: nobody can be asked
        try:
            return not _locked(file) if _has_locks(file) else _alive(self.owner())
        finally:
            os.close(file)  # which lets go of it again

    def owner(self) -> dict:
        """{pid, host} of who took it last; {} where nobody holds it."""
        return read_json(self.path)


def _locked(file: int) -> bool:
    """Lock it, or say that another has."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(file, _AT, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            os.lseek(file, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _has_locks(file: int) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_UN)
    except OSError as error:
        return error.errno not in _NO_LOCKS
    return True


def _alive(owner: dict) -> bool:
    pid = owner.get("pid")
    if not isinstance(pid, int) or pid == os.getpid():
        return False
    if owner.get("host") != socket.gethostname() or sys.platform == "win32":
        return True  # nobody can look there: better to say that it is taken
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
