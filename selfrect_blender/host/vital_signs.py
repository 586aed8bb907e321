# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system says of a silent process: is it stopped, or does it work on without a word?

An engine that imports PyTorch or copies a large picture may keep every thread of its Python from running for many
seconds, and must not be ended for that. One that is stopped, or that sleeps with all its threads, will never answer.
"""
from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

#: state letters of Linux and of macOS's ps
_STOPPED = "Tt"
_ASLEEP = "SIX"


@dataclass(frozen=True)
class VitalSigns:
    """state: "stopped", "asleep" or "other" (running, or waiting for a disk). cpu_seconds: used so far by all its threads."""

    state: str
    cpu_seconds: float


class Observer:
    """Looks at one process, at most twice a second: on some systems a look costs the start of a program."""

    def __init__(self, pid: int):
        self._pid = pid
        self._signs: VitalSigns | None = None
        self._next = 0.0

    def signs(self) -> VitalSigns | None:
        """The latest look."""
        now = time.monotonic()
        if now >= self._next:
            self._signs, self._next = look(self._pid), now + 0.5
        return self._signs


def look(pid: int) -> VitalSigns | None:
    """The vital signs of a process of this machine; None where the system does not tell."""
    try:
        if sys.platform == "linux":
            return _linux(pid)
        return _windows(pid) if sys.platform == "win32" else _ps(pid)
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return None


def _linux(pid: int) -> VitalSigns:
    fields = _fields(Path(f"/proc/{pid}/stat"))
    states = {_named(fields[0])} | {_named(_fields(thread)[0]) for thread in Path(f"/proc/{pid}/task").glob("*/stat")}
    state = next(name for name in ("other", "stopped", "asleep") if name in states)  # one thread at work is enough
    return VitalSigns(state, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))


def _fields(stat: Path) -> list[str]:
    """From the state on: utime and stime are 11 and 12. The name in brackets before it may hold anything."""
    return stat.read_text("utf-8", "replace").rpartition(")")[2].split()


def _ps(pid: int) -> VitalSigns:
    command = ["/bin/ps", "-o", "state=,cputime=", "-p", str(pid)]
    letter, clock = subprocess.run(command, capture_output=True, text=True, timeout=1.0, check=True).stdout.split()
    return VitalSigns(_named(letter[0]), _seconds(clock))


def _windows(pid: int) -> VitalSigns | None:
    import ctypes
    from ctypes import wintypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = wintypes.HANDLE
    handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
    if not handle:
        return None
    try:
        times = [wintypes.FILETIME() for _ in range(4)]  # creation, exit, kernel, user
        if not kernel.GetProcessTimes(wintypes.HANDLE(handle), *map(ctypes.byref, times)):
            return None
    finally:
        kernel.CloseHandle(wintypes.HANDLE(handle))
    used = sum((time.dwHighDateTime << 32) + time.dwLowDateTime for time in times[2:])
    return VitalSigns("asleep", used * 1e-7)  # Windows keeps no state for a process; the time it uses has to tell


def _named(letter: str) -> str:
    return "stopped" if letter in _STOPPED else "asleep" if letter in _ASLEEP else "other"


def _seconds(clock: str) -> float:
    """ps's [[days-]hours:]minutes:seconds."""
    days, _, rest = clock.rpartition("-")
    seconds = 0.0
    for part in rest.split(":"):
        seconds = seconds * 60 + float(part.replace(",", "."))
    return seconds + 86400 * int(days or 0)
