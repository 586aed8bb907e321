# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rung of the memory ladder a run stands on, and the step down when memory ends all the same."""

from __future__ import annotations

from ...kept import store
from ...memory import Ladder, Rung, budget
from ...models.model import Model
from .settings import Settings
from .windows import Windows, windows_of

LOST = "Keys and values that waited on disk were gone; the picture was made with them in memory."
STEPPED_DOWN = "There was not enough memory at first; the picture was made in a way that takes less and longer."


class Room:
    """One per request and model. notes: sentences for the record."""

    def __init__(self, model: Model, settings: Settings):
        self.model, self.settings = model, settings
        self.ladder = Ladder(model, settings.last_up_levels)
        self.rung: Rung | None = None
        self.notes: list[str] = []
        self._stepped_down = False
        self._sizes: tuple = ()

    def choose(self, target: tuple[int, int], references: list[tuple[int, int]]) -> tuple[Rung, Windows]:
        """The rung for latents of these sizes (h, w), and the windows on it.

        What is kept of earlier runs counts as room: it is either of use to this run or gives way (`make`).
        """
        self._sizes = self._asked(target, references)
        if not self._stepped_down:
            kept = store().memory.size(self.model.device.type)[1]
            self.rung = self.ladder.choose(budget(self.model.device) + kept, *self._sizes)
        return self.rung, self._windows(self.rung)

    def make(self) -> None:
        """Let what is kept in memory give way where it is in the way; what the run has taken at hand stays."""
        if self.need() > budget(self.model.device):
            store().release()

    def step_down(self) -> bool:
        """One step, once; False where there is none."""
        below = self.ladder.below(self.rung) if self.rung and not self._stepped_down else None
        if below is None:
            return False
        self.rung, self._stepped_down = below, True
        self.notes.append(STEPPED_DOWN)
        store().release()
        return True

    def on_disk(self) -> bool:
        """Whether keys and values wait on disk, of what was chosen for."""
        return self.rung.kv != "recompute" and self.ladder.on_disk(*self._sizes)

    def without_disk(self) -> None:
        """From now on nothing waits there: once it was gone when it was wanted."""
        self.ladder.disk = False
        self.notes.append(LOST)

    def need(self) -> int:
        """Bytes that the run takes at the most on the model's device, those that are held already included."""
        return self.ladder.need(self.rung, *self._sizes)

    def _asked(self, target: tuple[int, int], references: list[tuple[int, int]]) -> tuple:
        """What the ladder asks for: sizes, of how many steps keys and values are held, the longest side that a call sees."""
        steps = self.settings.steps - 1 - min(s for _, s in self.settings.round_parameters())
        return target, references, max(steps, 0), self._windows(None).longest

    def _windows(self, rung: Rung | None) -> Windows:
        config, factor = self.model.unet.config, self.model.codec.factor
        return windows_of(self.settings.window, config.sample_size, factor, rung.window if rung else None)
