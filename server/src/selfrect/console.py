# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person at a terminal sees on stderr while the engine works: a bar, or a line for each stage in a log."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

BAR_WIDTH = 24  # characters; plain ASCII, since a Windows console may know nothing else
REDRAW_SECONDS = 0.1


class Console:
    """Shows progress on `stream`: a bar redrawn in place on a terminal, lines otherwise, nothing when quiet."""

    def __init__(self, quiet: bool = False, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic):
        self._stream = stream if stream is not None else sys.stderr
        self._quiet, self._clock = quiet, clock
        self.is_terminal = self._stream.isatty()
        self._stage = ""
        self._drawn_at = float("-inf")
        self._bar_length = 0
        self._first: tuple[float, float] | None = None  # (time, fraction) when the network's work began

    def progress(self, stage: str, step: int, steps: int, fraction: float) -> None:
        """step of steps: from 1, inside the stage; fraction: of the whole, [0, 1]."""
        now = self._clock()
        if fraction > 0 and self._first is None:
            self._first = (now, fraction)
        is_new, self._stage = stage != self._stage, stage
        if self._quiet:
            return
        left = _left(self._first, now, fraction)
        if not self.is_terminal:
            if is_new:
                self._write(f"{fraction:4.0%}  {stage}{f', {steps} steps' if steps > 1 else ''}{left}\n")
        elif is_new or step == steps or now - self._drawn_at >= REDRAW_SECONDS:
            self._drawn_at = now
            self._draw(bar_line(stage, step, steps, fraction) + left)

    def end(self) -> None:
        """Leave the bar's line, so that what follows stands on its own. May be called more than once."""
        if self._bar_length:
            self._bar_length = 0
            self._write("\n")

    def _draw(self, line: str) -> None:
        line = line[: shutil.get_terminal_size().columns - 1]
        self._write("\r" + line.ljust(self._bar_length))
        self._bar_length = len(line)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def bar_line(stage: str, step: int, steps: int, fraction: float) -> str:
    """`[######..................]  25%  invert target 12/50`"""
    filled = round(BAR_WIDTH * min(max(fraction, 0.0), 1.0))
    count = f" {step}/{steps}" if steps > 1 else ""
    return f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {fraction:4.0%}  {stage}{count}"


def minutes(seconds: float) -> str:
    """`0:07`, `12:30`, `1:05:00`"""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def _left(first: tuple[float, float] | None, now: float, fraction: float) -> str:
    """`  1:23 left`, from the pace since the network's work began (loading says nothing about it); or nothing yet."""
    if first is None or fraction <= first[1] or fraction >= 1:
        return ""
    return f"  {minutes((now - first[0]) / (fraction - first[1]) * (1 - fraction))} left"
