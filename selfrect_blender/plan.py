# SPDX-License-Identifier: GPL-3.0-or-later
"""What the next Rectify will take: asked of the engine while one runs, when the choices have changed and stand still.

Never asked from draw(), and never a reason to start an engine or to load an image.
"""

from __future__ import annotations

from typing import Any

import bpy

from . import main_thread
from .host.job import Job, JobState
from .host.request import RectifyRequest
from .scene import maps, materials, references
from .ui import engine_settings

_seen: dict[str, Any] | None = None  # what was chosen at the last look
_asked: dict[str, Any] | None = None
_job: Job | None = None


def answer(scene: bpy.types.Scene) -> dict[str, Any] | None:
    """{calls, calls_if_kept, seconds, peak_memory, notes} as the engine's `plan` tells it; None where it is not known for these choices."""
    known = _job is not None and _job.state is JobState.DONE and _asked == _question(scene)
    return _job.result if known else None


def _look() -> None:
    """Called by main_thread's timer."""
    global _seen, _asked, _job
    queue = main_thread.queue()
    if queue.state not in ("ready", "working"):
        _asked = _job = None
        return
    windows = bpy.context.window_manager.windows
    question = _question(windows[0].scene if windows else bpy.context.scene)
    if question and question == _seen and question != _asked and (_job is None or _job.finished):
        _asked, _job = question, queue.ask("plan", question)
    _seen = question


def _question(scene: bpy.types.Scene) -> dict[str, Any] | None:
    """The params of `plan`; None where an image is missing or not in memory."""
    choices = scene.selfrect
    further = references.chosen(scene)
    images = (choices.target, choices.reference, *(used.image for used in further.references))
    if not all(image and image.has_data for image in images):
        return None
    target, *of_references = (list(image.size) for image in images)
    target = list(further.size) if all(further.size) else target
    follow = maps.ticked(materials.maps_under(bpy.context, choices.reference)) if choices.with_maps else ()
    of_maps = [list(each.image.size) for each in follow if each.image.has_data]
    return {
        "engine": RectifyRequest.engine,
        **{name: getattr(choices, name) for name in ("model", "device", "dtype")},
        "sizes": {"references": of_references, "target": target} | ({"maps": of_maps} if of_maps else {}),
        "settings": engine_settings.values(scene),
    }


def register() -> None:
    """Look whenever the timer does."""
    main_thread.on_tick.append(_look)


def unregister() -> None:
    """Look no more."""
    global _seen, _asked, _job
    main_thread.on_tick.remove(_look)
    _seen = _asked = _job = None
