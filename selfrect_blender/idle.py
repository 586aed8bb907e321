# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory manners: an engine that has had nothing to do for a while, or is in the way of a Cycles render, is ended.

Ended, not only emptied: the memory that PyTorch keeps on a graphics card for itself is free then, too. The next Rectify
starts it again within seconds.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time

import bpy
from bpy.app.handlers import persistent

from . import extension, main_thread

_RENDER_WAITS = 1.5  # seconds at most that a render waits for the engine's end

_idle_since: float | None = None
_wishes: queue.SimpleQueue[queue.SimpleQueue] = queue.SimpleQueue()  # of renders; each waits for the thread that ends the engine


def _tick() -> None:
    """Called by main_thread's timer, in Blender's main thread."""
    while not _wishes.empty():
        _wishes.get().put(main_thread.queue().retire())
    _end_if_idle()


def _end_if_idle() -> None:
    global _idle_since
    engine, minutes = main_thread.queue(), extension.preferences().idle_minutes
    if engine.state == "off" or engine.unfinished or main_thread.unfinished():
        _idle_since = None
    elif _idle_since is None:
        _idle_since = time.monotonic()
    elif minutes and time.monotonic() - _idle_since > 60 * minutes:
        engine.retire()
        _idle_since = None


@persistent
def _before_render(scene: bpy.types.Scene, *_: object) -> None:
    """Blender calls this in the render's own thread where there is a window; the queue belongs to the main thread."""
    if scene.render.engine != "CYCLES" or not extension.preferences().free_for_render or main_thread.queue().state == "off":
        return
    here = threading.current_thread() is threading.main_thread()
    farewell = main_thread.queue().retire() if here else _ask_main_thread()
    if farewell is not None:
        farewell.join(_RENDER_WAITS)


def _ask_main_thread() -> threading.Thread | None:
    answer: queue.SimpleQueue = queue.SimpleQueue()
    _wishes.put(answer)
    with contextlib.suppress(queue.Empty):
        return answer.get(timeout=_RENDER_WAITS)
    return None


def register() -> None:
    """Listen to the clock and to renders."""
    main_thread.on_tick.append(_tick)
    bpy.app.handlers.render_init.append(_before_render)


def unregister() -> None:
    """Listen no more."""
    bpy.app.handlers.render_init.remove(_before_render)
    main_thread.on_tick.remove(_tick)
