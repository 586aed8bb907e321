# SPDX-License-Identifier: GPL-3.0-or-later
"""Explore: variations of one rectification on a contact sheet, an image that fills tile by tile; each can be kept.

One variation is under way and one is ready behind it, so that the engine never waits and a Rectify ordered meanwhile comes
soon. Full pictures wait in files of Blender's own temporary folder, which ends with Blender; the sheet is an image of the file.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections import deque
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np
from bpy.app.handlers import persistent

from . import rectify
from .host import artist_settings
from .host.engine_source import problems
from .host.job import Job, JobState
from .host.job_queue import JobQueue
from .host.variations import Sheet, Variation
from .scene import editors, images

_MARK = "selfrect_sheet"
_AHEAD = 2
_latest: Exploration | None = None

class Exploration:
    """Looks like a `work.Work` to `main_thread`. rows × columns variations of an order; `done`: those that can be kept."""

    def __init__(self, order: rectify.Order, variations: list[Variation], queue: JobQueue, converter: Executor):
        global _latest
        if _latest is not None:
            _latest.forget()
        _latest = self
        self.order, self.variations = order, variations
        self.rows, self.columns = 1 + max(v.row for v in variations), 1 + max(v.column for v in variations)
        self.title, self.result_name, self.seconds = order.target_name, "", 0.0
        self.sheet = Sheet(self.rows, self.columns, order.size)
        self.problem: problems.Problem | None = None
        self.finished = False
        self.done: dict[tuple[int, int], float] = {}  # place → seconds that it took
        self._owner, self._folder = uuid.uuid4().hex, Path(bpy.app.tempdir)
        self._queue, self._converter = queue, converter
        self._waiting = deque(variations)
        self._jobs: deque[tuple[Variation, rectify.Order, Job]] = deque()
        self._stored: deque[tuple[Variation, Future]] = deque()
        self._records: dict[tuple[int, int], tuple[rectify.Order, dict]] = {}
        self._paper = self.sheet.empty()
        self._started = self._since = time.monotonic()
        self._order_more()
        self._last_job = self._jobs[0][2]

    @property
    def job(self) -> Job:
        """The one under way, or the last one."""
        return self._jobs[0][2] if self._jobs else self._last_job

    @property
    def fraction(self) -> float:
        under_way = self._jobs[0][2].fraction if self._jobs else 0.0
        return min((len(self.variations) - len(self._waiting) - len(self._jobs) + under_way) / len(self.variations), 1.0)

    @property
    def seconds_left(self) -> float | None:
        """By what those before took; None until one is done."""
        left = len(self.variations) * (1 - self.fraction)
        return left * sum(self.done.values()) / len(self.done) if self.done else None

    @property
    def owners(self) -> set[str]:
        return set()

    def cancel(self) -> None:
        """Stop; what is done can still be kept."""
        self._waiting.clear()
        for _, _, job in reversed(self._jobs):
            self._queue.cancel(job)

    abandon = cancel

    def fail(self, problem: problems.Problem) -> None:
        """End it with a problem of this side."""
        self.cancel()
        self._end(problem)

    def hide(self) -> None:
        """The file is about to be saved: with the sheet as it is."""
        image = self.image()
        if image and image.is_dirty:
            image.pack()

    def advance(self) -> None:
        """Do what can be done without waiting."""
        while self._jobs and self._jobs[0][2].finished:
            self._take(*self._jobs.popleft())
        self._order_more()
        while self._stored and self._stored[0][1].done() and editors.may_write():
            variation, future = self._stored.popleft()
            self.done[variation.row, variation.column] = future.result()
            self._write()
        if not self._jobs and not self._waiting and not self._stored:
            self._end(self.problem)

    def variation(self, row: int, column: int) -> Variation:
        """The one at a place of the sheet."""
        return self.variations[row * self.columns + column]

    def image(self) -> bpy.types.Image | None:
        """The sheet, whatever it is called by now."""
        return next((image for image in bpy.data.images if image.get(_MARK) == self._owner), None)

    def shown(self) -> bpy.types.Image:
        """The sheet; made anew where an undo or the artist took it away."""
        image = self.image()
        if image is None:
            name, is_data = f"{images.stem(self.order.reference_name)} variations", self.order.is_data
            image = bpy.data.images.new(name, *self.sheet.size, float_buffer=True, is_data=is_data)
            image[_MARK] = self._owner
            self._fill(image)
        return image

    def keep(self, row: int, column: int) -> bpy.types.Image:
        """Land a variation in full, as the result, with its settings in the panel. Raises Problem where it is not there."""
        if (row, column) not in self.done:
            raise problems.Problem("bad_input", "This variation is not there yet.", "Wait for it, or choose another.")
        order, record = self._records[row, column]
        with np.load(self._path(row, column)) as stored:
            maps = {name.removeprefix("map."): stored[name] for name in stored if name != "image"}
            made, made_maps = rectify.encode_all(order, stored["image"], maps)
        image = rectify.land(order, made, record, self.done[row, column], made_maps)
        self.result_name = image.name
        return image

    def forget(self) -> None:
        """Delete the full pictures; the sheet stays in the file as an image."""
        for place in list(self.done):
            with contextlib.suppress(OSError):
                self._path(*place).unlink()
        self.done.clear()

    def _order_more(self) -> None:
        while self._waiting and len(self._jobs) < _AHEAD:
            variation = self._waiting.popleft()
            choices = {"settings": artist_settings.settings_of(self.order.choices["settings"], **variation.sliders)}
            if variation.seed is not None:
                choices["seed"] = variation.seed
            order = rectify.variant(self.order, **choices)
            self._jobs.append((variation, order, self._queue.submit(order.request)))

    def _take(self, variation: Variation, order: rectify.Order, job: Job) -> None:
        self._last_job = job
        now, since = time.monotonic(), self._since
        self._since = now
        if job.state is JobState.DONE:
            self._records[variation.row, variation.column] = replace(order, request=None), job.record  # without its pixels
            self._stored.append((variation, self._converter.submit(self._store, variation, job.image, job.maps, now - since)))
        elif job.problem and self.problem is None:
            self.problem = job.problem
            self.cancel()

    def _store(self, variation: Variation, picture: np.ndarray, maps: dict[str, np.ndarray], seconds: float) -> float:
        """Put the full picture into a file and a small one on the paper. Runs in the converter's thread."""
        np.savez(self._path(variation.row, variation.column), image=picture, **{f"map.{name}": each for name, each in maps.items()})
        self.sheet.place(self._paper, variation.row, variation.column, rectify.shown(self.order, picture))
        return seconds

    def _path(self, row: int, column: int) -> Path:
        return self._folder / f"selfrect-{self._owner}-{row}-{column}.npz"

    def _write(self) -> None:
        image = self.image()
        if image is None:
            self.shown()
        else:
            self._fill(image)

    def _fill(self, image: bpy.types.Image) -> None:
        image.pixels.foreach_set(self._paper.reshape(-1))
        image.update()

    def _end(self, problem: problems.Problem | None) -> None:
        self.problem, self.finished = problem, True
        self.seconds = time.monotonic() - self._started
        image = self.image()
        if image and self.done:
            image.pack()
        elif image:
            _remove(image, self.order.target_name)


def latest() -> Exploration | None:
    """The one whose variations can be kept."""
    return _latest


def sheet_of(image: bpy.types.Image | None) -> Exploration | None:
    """The exploration that this image is the sheet of, if its variations can be kept."""
    return _latest if image is not None and _latest is not None and image.get(_MARK) == _latest._owner else None


def make(exploration: Exploration, queue: JobQueue) -> None:
    """Wait for all of it. For background mode and scripts. Raises Problem."""
    while not exploration.finished:
        queue.pump()
        exploration.advance()
        time.sleep(0.01)
    if exploration.problem:
        raise exploration.problem


def _remove(image: bpy.types.Image, target_name: str) -> None:
    spaces = [area.spaces.active for area in editors.areas("IMAGE_EDITOR") if area.spaces.active.image == image]
    editors.show(spaces, bpy.data.images.get(target_name))
    bpy.data.images.remove(image)


@persistent
def _forget(*_: object) -> None:
    """Another file: its target and reference are not ours."""
    global _latest
    if _latest is not None:
        _latest.forget()
        _latest = None


def register() -> None:
    """Forget the sheet when its file is left."""
    bpy.app.handlers.load_pre.append(_forget)


def unregister() -> None:
    """Forget it now."""
    bpy.app.handlers.load_pre.remove(_forget)
    _forget()
