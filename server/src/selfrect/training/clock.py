# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a run is, in [0, 1]: by its steps, or by the time it has been given."""

from __future__ import annotations

import datetime
import math
import time


class Clock:
    """Progress of a run. A run by steps is the same every time; a run by time ends when it must.

    Time is counted while training only: `before` are the seconds that earlier, interrupted starts have trained.
    """

    def __init__(self, steps: int, seconds: float, before: float = 0.0) -> None:
        if not (steps or seconds):
            raise ValueError("a run needs an end: steps, max_hours or a time of day")
        self.steps, self.before, self.started = steps, before, time.monotonic()
        self.total = (before + seconds) if seconds else math.inf

    def elapsed(self) -> float:
        """Seconds of training so far."""
        return self.before + time.monotonic() - self.started

    def progress(self, step: int) -> float:
        """The part done: whichever of steps and time is further."""
        return max(step / self.steps if self.steps else 0.0, self.elapsed() / self.total)


def seconds_until(time_of_day: str, now: datetime.datetime | None = None) -> float:
    """Seconds from now to the next HH:MM of this machine's clock."""
    now = now or datetime.datetime.now()
    hour, minute = map(int, time_of_day.split(":"))
    then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return ((then - now).total_seconds()) % 86400.0


def learning_rate(recipe, step: int, progress: float) -> float:
    """Linear warmup by steps, constant, then half a cosine down to 1 % over the last `decay` of the run."""
    rising = min(1.0, (step + 1) / recipe.warmup) if recipe.warmup else 1.0
    falling = min(1.0, max(0.0, (progress - (1 - recipe.decay)) / recipe.decay)) if recipe.decay else 0.0
    return recipe.learning_rate * rising * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * falling)))


class Every:
    """True once in so many minutes."""

    def __init__(self, minutes: float) -> None:
        self.seconds, self.last = minutes * 60, time.monotonic()

    def __call__(self) -> bool:
        if time.monotonic() - self.last < self.seconds:
            return False
        self.last = time.monotonic()
        return True
