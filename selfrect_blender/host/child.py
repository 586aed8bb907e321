# SPDX-License-Identifier: GPL-3.0-or-later
"""Children that cannot outlive us: how they are started apart from our terminal, tied to our life, and ended.

Linux: the parent-death signal (set by util-linux's `setpriv` before it becomes the program; no Python of ours runs between
fork and exec, which in a process with Blender's threads is not safe). Windows: a job object that ends with our process.
Everywhere: their stdin is ours to close, and the engine ends when it does.
"""
from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

WINDOWS = sys.platform == "win32"
# who dies before the signal is asked for sends none: then the program is not begun
_UNLESS_ORPHANED = '[ "$PPID" = "$0" ] && exec "$@"'


def start(command: Sequence[str], environment: Mapping[str, str], **pipes: Any) -> subprocess.Popen:
    """Start a program in a process group of its own. Raises OSError as subprocess.Popen does."""
    # its own group: Ctrl-C in Blender's terminal is not meant for it
    flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP if WINDOWS else 0
    child = subprocess.Popen(list(command), env=dict(environment), start_new_session=not WINDOWS, creationflags=flags, **pipes)
    if WINDOWS:
        _Job.adopt(child)
    return child


def tied(command: Sequence[str]) -> list[str]:
    """The same command, so that it dies with the thread that starts it. For programs that do not see to that themselves."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    if not setpriv:
        return list(command)
    return [setpriv, "--pdeathsig", "KILL", "/bin/sh", "-c", _UNLESS_ORPHANED, str(os.getpid()), *command]


def kill(child: subprocess.Popen) -> None:
    """End it and whatever it started, now. Does not wait; calling it again does no harm."""
    try:
        if WINDOWS:
            child.kill()  # the launchers of pip and venv hold their Python in a job that ends with them
        else:
            os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # already gone; macOS says PermissionError where only a zombie is left


class _BasicLimits(ctypes.Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION."""

    _fields_ = [
        ("per_process_time", ctypes.c_int64),
        ("per_job_time", ctypes.c_int64),
        ("flags", ctypes.c_uint32),
        ("minimum_working_set", ctypes.c_size_t),
        ("maximum_working_set", ctypes.c_size_t),
        ("active_processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority_class", ctypes.c_uint32),
        ("scheduling_class", ctypes.c_uint32),
    ]


class _Limits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = [
        ("basic", _BasicLimits),
        ("io_counters", ctypes.c_uint64 * 6),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("peak_process_memory", ctypes.c_size_t),
        ("peak_job_memory", ctypes.c_size_t),
    ]


class _Job:
    """One Windows job object for all children of this process. Its only handle is ours: it closes when we end, however."""

    EXTENDED_LIMITS, KILL_ON_CLOSE = 9, 0x2000
    handle: int | None = None

    @classmethod
    def adopt(cls, child: subprocess.Popen) -> None:
        """Put a child in. A system that refuses (a job around Blender that allows none inside) leaves the closed stdin."""
        kernel = ctypes.WinDLL("kernel32")
        kernel.CreateJobObjectW.restype = ctypes.c_void_p
        kernel.SetInformationJobObject.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32]
        kernel.AssignProcessToJobObject.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        if cls.handle is None:
            limits = _Limits()
            limits.basic.flags = cls.KILL_ON_CLOSE
            handle = kernel.CreateJobObjectW(None, None)
            if not handle or not kernel.SetInformationJobObject(
                handle, cls.EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)
            ):
                return
            cls.handle = handle
        kernel.AssignProcessToJobObject(cls.handle, int(child._handle))
