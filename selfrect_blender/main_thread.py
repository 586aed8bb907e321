# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where the engine's messages enter Blender's main thread: a timer that drains the queue and lands results.

No data-block is kept between two calls; an order holds names. In background mode timers never run: `rectify.make`
waits there instead. A timer that is still pending when Blender ends crashes it, hence the care in `unregister`.
"""

from __future__ import annotations

import atexit
import traceback
from concurrent.futures import ThreadPoolExecutor

import bpy
from bpy.app.handlers import persistent

from . import rectify, setup
from .host.engine_source import problems
from .host.job_queue import JobQueue
from .scene import editors, provisional
from .scene.editors import redraw
from .work import Work

_WORKING = 0.05  # seconds between two looks at the queue
_IDLE = 1.0  # while an engine waits for more; it is watched so that its death is noticed

_queue: JobQueue | None = None
_works: list[Work] = []  # in the order in which they were asked for; finished ones go
_latest: Work | None = None
_converter: ThreadPoolExecutor | None = None
#: called with the engine's greeting (dict) when a new one has arrived
on_greeting: list = []
#: called at every turn of the timer, while an engine is there; quick, and with nothing to return
on_tick: list = []
_last_greeting: dict | None = None
_to_sweep = False
_shown: dict[int, str] = {}  # before an undo: area → image's name


def queue() -> JobQueue:
    """The queue that all of this Blender's requests go through."""
    return _queue


def start(order: rectify.Order) -> Work:
    """Send an order on its way and return at once; the timer does the rest."""
    return add(Work(order, _queue, _converter))


def add(work: Work) -> Work:
    """Keep a work, or what looks like one, until it is finished."""
    global _latest
    if not _works:
        _latest = None
    _works.append(work)
    wake()
    return work


def wake() -> None:
    """Let the timer run."""
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=_WORKING, persistent=True)


def latest() -> Work | None:
    """The work that ended last, whose outcome the panel tells; None when a new one has begun since with nothing before it."""
    return _latest


def unfinished() -> list[Work]:
    """What is running and what waits, in order."""
    return list(_works)


def working() -> Work | None:
    """The first work that is not finished yet."""
    return _works[0] if _works else None


def converter() -> ThreadPoolExecutor:
    """The thread for whatever takes longer than a frame and needs no bpy."""
    return _converter


def _tick() -> float | None:
    changed = _queue.pump()
    _tell_greeting()
    _sweep()
    works = unfinished()
    for work in works:
        _advance(work)
    for listener in on_tick:
        _call(listener)
    if changed or works != _works:
        redraw()
    if unfinished() or _queue.unfinished:
        return _WORKING
    return None if _queue.state == "off" else _IDLE


def _call(listener) -> None:
    try:
        listener()
    except Exception:  # noqa: BLE001 - told on the console; a timer that raises is dropped by Blender without a word
        traceback.print_exc()


def _advance(work: Work) -> None:
    global _latest
    try:
        work.advance()
    except Exception as error:  # noqa: BLE001 - told in the panel; a timer that raises is dropped by Blender without a word
        work.fail(problems.from_exception(error))
    if work.finished and work in _works:
        _works.remove(work)
        _latest = work


def _tell_greeting() -> None:
    global _last_greeting
    if _queue.greeting is not _last_greeting:
        _last_greeting = _queue.greeting
        for listener in on_greeting if _last_greeting else ():
            listener(_last_greeting)


def _sweep() -> None:
    """An undo or a file may have brought back a preview that nobody owns any more, or left an editor without its image."""
    global _to_sweep
    if _to_sweep:
        _to_sweep = False
        provisional.sweep({owner for work in unfinished() for owner in work.owners})
        editors.fill_emptied(_shown)
        _shown.clear()


@persistent
def _remember_shown(*_: object) -> None:
    """Before an undo, which may take away the result that is looked at."""
    _shown.update(editors.shown())


@persistent
def _sweep_soon(*_: object) -> None:
    """Not at once: Blender is in the middle of an undo, or of loading."""
    global _to_sweep
    _to_sweep = True
    if not bpy.app.background:
        wake()


@persistent
def _hide(*_: object) -> None:
    """The file is about to be saved: nothing provisional belongs into it."""
    for work in unfinished():
        work.hide()


@persistent
def _abandon(*_: object) -> None:
    """Another file is being opened: what was asked for in this one has nowhere to land any more."""
    global _latest
    for work in reversed(_works):
        work.abandon()
    _works.clear()
    _latest = None


_HANDLERS = {
    "load_pre": _abandon,
    "load_post": _sweep_soon,
    "undo_pre": _remember_shown,
    "redo_pre": _remember_shown,
    "undo_post": _sweep_soon,
    "redo_post": _sweep_soon,
    "save_pre": _hide,
}


def register() -> None:
    """Make the queue; the engine starts with the first request."""
    global _queue, _converter
    _queue = JobQueue(setup.engine_location, environment=setup.engine_environment)
    _converter = ThreadPoolExecutor(1, thread_name_prefix="selfrect convert")
    for name, handler in _HANDLERS.items():
        getattr(bpy.app.handlers, name).append(handler)
    atexit.register(_stop)


def unregister() -> None:
    """End the timer and the engine."""
    atexit.unregister(_stop)
    for name, handler in _HANDLERS.items():
        getattr(bpy.app.handlers, name).remove(handler)
    _stop()


def _stop() -> None:
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    _works.clear()
    _queue.close()
    _converter.shutdown(wait=False, cancel_futures=True)
