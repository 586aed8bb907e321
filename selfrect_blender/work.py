# SPDX-License-Identifier: GPL-3.0-or-later
"""One rectification from the order to the landed image. What `main_thread` keeps in its list; an exploration looks the same to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future

import bpy

from . import rectify
from .host.engine_source import problems
from .host.job import JobState
from .host.job_queue import JobQueue
from .preview import Preview
from .scene import editors


class Work:
    """Read `title`, `job`, `fraction`, `seconds_left`, `problem`, `finished`, `result_name`, `seconds`.

    All methods are quick and called from the main thread only.
    """

    def __init__(self, order: rectify.Order, queue: JobQueue, converter: Executor):
        self.order = order
        self.title = order.target_name
        self.job = queue.submit(order.request)
        self.problem: problems.Problem | None = None
        self.finished = False
        self.result_name = ""
        self.seconds = 0.0  # of the engine's work on it and the landing, not of waiting for its turn
        self._queue, self._converter = queue, converter
        self._started: float | None = None
        self._buffer: Future | None = None
        self._landing: Iterator[None] | None = None
        self._preview = Preview(order, converter)

    @property
    def fraction(self) -> float:
        return self.job.fraction

    @property
    def seconds_left(self) -> float | None:
        return self.job.seconds_left

    @property
    def owners(self) -> set[str]:
        """Of provisional images."""
        return set() if self.finished else {self._preview.owner}

    def cancel(self) -> None:
        """Ask the engine to stop; returns at once."""
        self._queue.cancel(self.job)

    def advance(self) -> None:
        """Do what can be done without waiting."""
        if self._started is None and self.job.state is not JobState.WAITING:
            self._started = time.monotonic()
        if not self.job.finished:
            self._preview.advance(self.job.preview)
        elif self.job.state is not JobState.DONE:
            self._end(self.job.problem)
        elif self._buffer is None:  # a power for each of millions of values: not in this thread
            self._buffer = self._converter.submit(rectify.encode_all, self.order, self.job.image, self.job.maps)
        elif self._buffer.done() and editors.may_write():
            self._landing = self._landing or self._land(*self._buffer.result())
            next(self._landing, None)

    def fail(self, problem: problems.Problem) -> None:
        """End it with a problem of this side."""
        self._queue.cancel(self.job)
        self._end(problem)

    def hide(self) -> None:
        """Leave nothing provisional in the file, which is about to be saved."""
        self._preview.remove()

    def abandon(self) -> None:
        """The file that asked for it is being left."""
        self._queue.cancel(self.job)

    def _end(self, problem: problems.Problem | None) -> None:
        self.problem, self.finished, self._buffer = problem, True, None
        self._preview.remove()

    def _land(self, made, made_maps) -> Iterator[None]:
        """A picture at a time: a large one takes a second to be packed."""
        viewers = self._preview.remove() if self._preview.was_shown else self.order.places()
        self.seconds = time.monotonic() - self._started
        image = rectify.land(self.order, made, self.job.record, self.seconds)
        name = image.name
        for each in made_maps:
            yield
            image = bpy.data.images.get(name)  # the artist may have undone or deleted it meanwhile
            if image:
                rectify.land_maps(self.order, image, [each])
        self.finished, self.result_name, self._buffer = True, name, None
        if image:
            editors.show(viewers, image)
        editors.push_undo("Rectify")
