# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts network calls, times the stages and tells the report where the work stands. No PyTorch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from .engine import Report


class Progress:
    """One per run. `planned` is the number of network calls that the run will need; `calls` those done."""

    def __init__(self, report: Report, planned: int):
        self.report, self.planned = report, max(planned, 1)
        self.calls = 0
        self.seconds: dict[str, float] = {}
        self._started = time.monotonic()
        self._stage, self._step, self._steps = "", 0, 1

    @contextmanager
    def stage(self, name: str, steps: int) -> Iterator[None]:
        """A stage of `steps` network calls; its seconds are added up under its name."""
        self._stage, self._step, self._steps = name, 0, max(steps, 1)
        started = time.monotonic()
        if steps <= 1:
            self._tell()  # a stage without network calls still shows that it has begun, and can be cancelled there
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started

    def call(self) -> None:
        """A network call is done. Raises what the report raises: Problem cancelled."""
        self.calls += 1
        self._step = min(self._step + 1, self._steps)
        self._tell()

    def preview(self, picture: Callable[[], np.ndarray]) -> None:
        """Show a picture (h, w, 3) in [0, 1] of the state reached."""
        self._tell(picture())

    def total_seconds(self) -> float:
        return time.monotonic() - self._started

    def _tell(self, preview: np.ndarray | None = None) -> None:
        self.report(self._stage, max(self._step, 1), self._steps, preview, min(self.calls / self.planned, 1.0))
