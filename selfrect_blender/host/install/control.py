# SPDX-License-Identifier: GPL-3.0-or-later
"""What the worker tells the rest, and what the rest asks of it: progress, log, and the wish to stop."""
from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path

# (step, words for the user, its part of the whole)
STEPS = (
    ("uv", "Fetching the installer", 0.03),
    ("python", "Setting up Python", 0.04),
    ("resolve", "Looking up the packages", 0.03),
    ("download", "Downloading PyTorch and its libraries", 0.68),
    ("unpack", "Unpacking the packages", 0.14),
    ("engine", "Installing the engine", 0.02),
    ("test", "Testing on the device", 0.06),
)
_WORDS = {name: words for name, words, _ in STEPS} | {"remove": "Removing the engine"}


class Cancelled(Exception):
    """The user wants it to stop. Only raised by `Control.check`."""


@dataclass(frozen=True)
class Progress:
    """fraction: 0 … 1 over all steps. Bytes and speed (per second) belong to the step; 0 for unknown."""

    step: str = ""
    step_text: str = ""
    fraction: float = 0.0
    done_bytes: int = 0
    total_bytes: int = 0
    speed: float = 0.0
    seconds_left: float | None = None


class Control:
    """Written by the worker, read by anybody; `cancel` may be called from any thread."""

    def __init__(self, log: Path | None = None):
        self.progress = Progress()
        self.cancelled = threading.Event()
        self._log = log
        self._speeds: deque[tuple[float, int]] = deque(maxlen=20)

    def check(self) -> None:
        if self.cancelled.is_set():
            raise Cancelled

    def pause(self, seconds: float) -> None:
        """Sleep, but wake for a cancel."""
        self.cancelled.wait(seconds)
        self.check()

    def step(self, name: str) -> None:
        self.check()
        self._speeds.clear()
        self.say(f"— {_WORDS[name]}")
        self.progress = Progress(name, _WORDS[name], _before(name))

    def part(self, fraction: float, done: int = 0, total: int = 0) -> None:
        """How much of the step is done, and its bytes. The whole never goes back."""
        share = next((share for name, _, share in STEPS if name == self.progress.step), 0.0)
        whole = _before(self.progress.step) + share * min(max(fraction, 0.0), 1.0)
        speed, left = self._measure(done, total)
        self.progress = replace(
            self.progress, fraction=max(whole, self.progress.fraction), done_bytes=done, total_bytes=total, speed=speed, seconds_left=left
        )

    def say(self, text: str) -> None:
        """One or more lines for the log. A log that cannot be written is no reason to stop."""
        if self._log is not None and text.strip():
            with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%H:%M:%S')} {text.rstrip()}\n")

    def _measure(self, done: int, total: int) -> tuple[float, float | None]:
        """Bytes per second over the last seconds, and what is left at that speed."""
        now = time.monotonic()
        if not self._speeds or now - self._speeds[-1][0] >= 0.25:
            self._speeds.append((now, done))
        since, before = self._speeds[0]
        speed = max(done - before, 0) / (now - since) if now - since > 0.2 else 0.0
        return speed, (total - done) / speed if speed > 0 and total else None


def _before(step: str) -> float:
    """The part of the whole that lies before a step."""
    before = 0.0
    for name, _, share in STEPS:
        if name == step:
            return before
        before += share
    return 0.0
