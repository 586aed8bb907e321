# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where the engine's messages enter Blender's main thread: a timer that drains the queue and lands results.

No data-block is kept between two calls; an order holds names. In background mode timers never run: `rectify.make`
waits there instead. A timer that is still pending when Blender ends crashes it, hence the care in `unregister`.
"""

from __future__ import annotations

import atexit
import time
from concurrent.futures import Future, ThreadPoolExecutor

import bpy
from bpy.app.handlers import persistent

from . import extension, rectify
from .host.engine_source import problems
from .host.job import JobState
from .host.job_queue import JobQueue

_WORKING = 0.05  # seconds between two looks at the queue
_IDLE = 1.0  # while an engine waits for more; it is watched so that its death is noticed

_queue: JobQueue | None = None
_works: list[Work] = []  # unfinished ones, and the last one, which the panel still tells about
_converter: ThreadPoolExecutor | None = None
#: called with the engine's greeting (dict) when a new one has arrived
on_greeting: list = []
_last_greeting: dict | None = None


class Work:
    """One rectification from order to landed image, as the panel sees it. Read `job`, `problem`, `finished`, `result_name`, `seconds`."""

    def __init__(self, order: rectify.Order):
        self.order = order
        self.job = queue().submit(order.request)
        self.problem: problems.Problem | None = None
        self.finished = False
        self.result_name = ""
        self.seconds = 0.0  # from the order to the landing
        self._started = time.monotonic()
        self._buffer: Future | None = None

    def cancel(self) -> None:
        """Ask the engine to stop; returns at once."""
        queue().cancel(self.job)

    def advance(self) -> None:
        """Do what can be done without waiting."""
        if not self.job.finished:
            return
        if self.job.state is not JobState.DONE:
            self.problem, self.finished = self.job.problem, True
        elif self._buffer is None:  # a power for each of millions of values: not in this thread
            self._buffer = _converter.submit(rectify.encode, self.order, self.job.image)
        elif self._buffer.done() and _may_write():
            self.finished = True
            self.result_name = rectify.land(self.order, self._buffer.result(), rectify.size_of(self.job)).name
            self.seconds, self._buffer = time.monotonic() - self._started, None
            _show(self.order.target_name, self.result_name)
            _push_undo("Rectify")

    def fail(self, problem: problems.Problem) -> None:
        """End it with a problem of this side."""
        self.problem, self.finished, self._buffer = problem, True, None


def queue() -> JobQueue:
    """The queue that all of this Blender's requests go through."""
    return _queue


def start(order: rectify.Order) -> Work:
    """Send an order on its way and return at once; the timer does the rest."""
    work = Work(order)
    _works[:] = [other for other in _works if not other.finished] + [work]
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=_WORKING, persistent=True)
    return work


def latest() -> Work | None:
    """The work that the panel tells about."""
    return _works[-1] if _works else None


def working() -> Work | None:
    """The latest work if it is not finished yet."""
    work = latest()
    return work if work and not work.finished else None


def _tick() -> float | None:
    changed = _queue.pump()
    _tell_greeting()
    unfinished = [work for work in _works if not work.finished]
    for work in unfinished:
        try:
            work.advance()
        except Exception as error:  # noqa: BLE001 - told in the panel; a timer that raises is dropped by Blender without a word
            work.fail(problems.from_exception(error))
    if changed or unfinished:
        redraw()
    if any(not work.finished for work in _works):
        return _WORKING
    return None if _queue.state == "off" else _IDLE


def _tell_greeting() -> None:
    global _last_greeting
    if _queue.greeting is not _last_greeting:
        _last_greeting = _queue.greeting
        for listener in on_greeting if _last_greeting else ():
            listener(_last_greeting)


def _may_write() -> bool:
    """Not during a render, nor in the middle of a stroke, a move or another of Blender's own modal tools: their undo steps are open.

    Tools of add-ons, which are Python classes, may run for hours (key displays, for one) and do not count.
    """
    tools = [tool.bl_idname for window in bpy.context.window_manager.windows for tool in window.modal_operators]
    built_in = [name for name in tools if bpy.types.Operator.bl_rna_get_subclass_py(name) is None]
    return not built_in and not bpy.app.is_job_running("RENDER")


def _show(target_name: str, result_name: str) -> None:
    """Let image editors that view the target show the result; those in which it is being painted stay as they are."""
    target, result = bpy.data.images.get(target_name), bpy.data.images.get(result_name)
    for area in _areas("IMAGE_EDITOR"):
        space = area.spaces.active
        if target and space.image == target and space.mode == "VIEW":
            space.image = result


def _push_undo(message: str) -> None:
    """A data-block made by a timer is in no undo step; without one of its own the next undo would take it away for good."""
    windows = bpy.context.window_manager.windows
    if windows and not bpy.app.background:
        with bpy.context.temp_override(window=windows[0]):
            bpy.ops.ed.undo_push(message=message)


def redraw() -> None:
    """Let the editors that have a Rectify tab draw themselves anew."""
    for area in _areas("IMAGE_EDITOR", "NODE_EDITOR", "VIEW_3D"):
        area.tag_redraw()


def _areas(*types: str) -> list[bpy.types.Area]:
    windows = bpy.context.window_manager.windows
    return [area for window in windows for area in window.screen.areas if area.type in types]


@persistent
def _abandon(*_: object) -> None:
    """Another file is being opened: what was asked for in this one has nowhere to land any more."""
    for work in _works:
        _queue.cancel(work.job)
    _works.clear()


def register() -> None:
    """Make the queue; the engine starts with the first request."""
    global _queue, _converter
    _queue = JobQueue(extension.engine_location)
    _converter = ThreadPoolExecutor(1, thread_name_prefix="selfrect convert")
    bpy.app.handlers.load_pre.append(_abandon)
    atexit.register(_stop)


def unregister() -> None:
    """End the timer and the engine."""
    atexit.unregister(_stop)
    bpy.app.handlers.load_pre.remove(_abandon)
    _stop()


def _stop() -> None:
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    _works.clear()
    _queue.close()
    _converter.shutdown(wait=False, cancel_futures=True)
