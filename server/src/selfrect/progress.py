# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts network calls, times the stages and tells the report where the work stands. No PyTorch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from .engine import Report


class Progress:
    """One per request. `planned` is the number of network calls that the work will need; `calls` those done."""

    def __init__(self, report: Report, planned: int = 1):
        self.report = report
        self._fraction, self._started = 0.0, time.monotonic()
        self.begin(planned)

    def begin(self, planned: int = 1) -> None:
        """The work begins, or begins anew in another way; the fraction told never falls back."""
        self.planned, self.calls = max(planned, 1), 0
        self.seconds: dict[str, float] = {}
        self._stage, self._step, self._steps, self._beside = "", 0, 1, 0.0

    def plan(self, calls: int) -> None:
        """How many network calls the work will need, told before the first."""
        self.planned = max(calls, 1)

    @contextmanager
    def stage(self, name: str, steps: int) -> Iterator[None]:
        """A stage of `steps` network calls; its seconds are added up under its name."""
        self._stage, self._step, self._steps = name, 0, max(steps, 1)
        started = time.monotonic()
        if steps <= 1:
            self._tell()  # a stage without network calls still shows that it has begun, and can be cancelled there
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started

    def call(self, count: int = 1) -> None:
        """A network call is done, with `count` pictures in it. Raises what the report raises: Problem cancelled."""
        self.calls += count
        self._step = min(self._step + count, self._steps)
        self._tell()

    def preview(self, picture: Callable[[], np.ndarray]) -> None:
        """Show a picture (h, w, 3) in [0, 1] of the state reached."""
        self._tell(picture())

    def beside(self, part: float, calls: float) -> None:
        """`part`, in [0, 1], of work is done that is no network call and counts for as much as `calls` of them."""
        self._beside, self._step = part * calls, round(part * self._steps)
        self._tell()

    def total_seconds(self) -> float:
        return time.monotonic() - self._started

    def _tell(self, preview: np.ndarray | None = None) -> None:
        self._fraction = max(self._fraction, min((self.calls + self._beside) / self.planned, 1.0))
        self.report(self._stage, max(self._step, 1), self._steps, preview, self._fraction)
