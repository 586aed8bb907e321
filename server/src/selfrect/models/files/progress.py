# SPDX-License-Identifier: GPL-3.0-or-later
"""How many bytes are done, how fast, and whether to go on: one object for downloads, checks and copies."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

Report = Callable[..., None]  # (stage, step, steps, fraction=, speed=, file=); raises to stop

_TELL_SECONDS = 0.1
_SPEED_SECONDS = 4.0  # over which the speed is taken


class Bytes:
    """stage: “download”, “verify” or “copy”. total: bytes of the whole. `done` may fall, when a file has to begin anew."""

    def __init__(self, report: Report, stage: str, total: int, clock: Callable[[], float] = time.monotonic):
        self.stage, self.total, self.done, self.file = stage, total, 0, ""
        self.arrived = False  # whether any byte came since this began
        self._report, self._clock = report, clock
        self._told_at = float("-inf")
        self._lately: deque[tuple[float, int]] = deque()  # (time, bytes) of late, for the speed

    def add(self, count: int) -> None:
        """So many bytes more, just arrived."""
        self.done += count
        self.arrived = True
        self._lately.append((self._clock(), count))
        self.tick()

    def tick(self) -> None:
        """Tell, if it is time to; raises what the report raises. Call it often, also while nothing arrives."""
        now = self._clock()
        if now - self._told_at >= _TELL_SECONDS:
            self._told_at = now
            self.tell(self.stage)

    def tell(self, stage: str) -> None:
        done, total = min(max(self.done, 0), self.total), max(self.total, 1)
        self._report(stage, done, self.total, fraction=done / total, speed=self._speed(), file=self.file)

    def _speed(self) -> float | None:
        """Bytes a second; None before there is ground for a number."""
        now = self._clock()
        while self._lately and now - self._lately[0][0] > _SPEED_SECONDS:
            self._lately.popleft()
        if len(self._lately) < 2:
            return None
        return sum(count for _, count in self._lately) / max(now - self._lately[0][0], 0.1)
