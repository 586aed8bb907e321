# SPDX-License-Identifier: GPL-3.0-or-later
"""What memory this process holds and what the machine still has, in bytes. Standard library only; None: not known here."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
from pathlib import Path

_CGROUPS = (  # (limit, used) in version 2 and in version 1
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)


def resident() -> int | None:
    """Held by this process now, shared libraries and mapped files included."""
    if sys.platform == "linux":
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return _windows_counters().now if sys.platform == "win32" else None


def peak() -> int:
    """The most that this process ever held."""
    if sys.platform == "win32":
        return _windows_counters().peak
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # bytes on macOS, KiB elsewhere


def total() -> int | None:
    """Of the machine, or of the container that this process lives in."""
    limits = [limit for file, _ in _CGROUPS if (limit := _number(file)) is not None]
    if sys.platform == "win32":
        return int(_windows_status().total)
    try:
        return min([os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *limits])
    except (OSError, ValueError):
        return None


def available() -> int | None:
    """What all programs together may still take before the machine begins to swap or a limit of its container is met."""
    if sys.platform == "linux":
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text("ascii").splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
        return min([free, *(max(most - used, 0) for files in _CGROUPS for most, used in [map(_number, files)] if most and used)])
    if sys.platform == "win32":
        return int(_windows_status().free)
    machine = total()  # macOS says what there is, not what is free: half of it is a fair guess
    return machine // 2 if machine else None


def give_back() -> None:
    """What this process holds and does not use any more, as after a model was read. Linux's C library keeps it else; the others do not."""
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # not the GNU one
            ctypes.CDLL(None).malloc_trim(0)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text("ascii"))
    except (OSError, ValueError):  # no such group, or “max”
        return None


class _Counters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS of Windows."""

    _fields_ = [
        ("size", ctypes.c_uint32),
        ("page_faults", ctypes.c_uint32),
        *((name, ctypes.c_size_t) for name in ("peak", "now", "q1", "q2", "q3", "q4", "page_file", "page_file_peak")),
    ]


def _windows_counters() -> _Counters:
    counters = _Counters(size=ctypes.sizeof(_Counters))
    process = ctypes.windll.kernel32.GetCurrentProcess
    process.restype = ctypes.c_void_p
    query = ctypes.windll.psapi.GetProcessMemoryInfo
    query.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Counters), ctypes.c_uint32]
    query(process(), ctypes.byref(counters), counters.size)
    return counters


class _Status(ctypes.Structure):
    """MEMORYSTATUSEX of Windows."""

    _fields_ = [
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        *((name, ctypes.c_uint64) for name in ("total", "free", "files", "free_files", "virtual", "free_virtual", "more")),
    ]


def _windows_status() -> _Status:
    status = _Status(length=ctypes.sizeof(_Status))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return status
