# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job, as the panel, the operators and the command line all do it:

images → `order` (copies of pixels and names, no data-block) → the engine → `encode` → `land` (a new image).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import bpy
import numpy as np

from .host.engine_source import problems
from .host.job import Job, JobState
from .host.job_queue import JobQueue
from .host.request import RectifyRequest
from .scene import history, images


@dataclass
class PixelsRequest(RectifyRequest):
    """A request that still holds Blender's raw pixels; they become display-referred pictures in the queue's own thread."""

    raw_reference: images.Pixels | None = None
    raw_target: images.Pixels | None = None

    def check(self) -> None:
        """Convert, then check as any request. Raises Problem bad_input."""
        self.references, self.target = [self.raw_reference.display()], self.raw_target.display()
        self.raw_reference = self.raw_target = None
        super().check()


@dataclass(frozen=True)
class Order:
    """What is to be made and what will become of it. Names instead of data-blocks: it outlives undo and renaming."""

    request: PixelsRequest
    result_name: str
    scene_name: str
    reference_name: str
    target_name: str
    size: tuple[int, int]  # of the result: (width, height)
    choices: dict[str, Any]  # what `order` took besides scene and images
    is_data: bool  # Non-Color in, Non-Color out


def order(
    scene: bpy.types.Scene, reference: bpy.types.Image | None, target: bpy.types.Image | None, **choices: Any
) -> Order:
    """Copy what the request needs out of the .blend. choices: model, device, dtype, seed, settings of RectifyRequest.

    Raises Problem bad_input where an image cannot be read; nothing in the .blend has changed then, nor after success.
    """
    images.check(target, "target")  # before the reference is copied
    raw_reference, raw_target = images.read(reference, "reference"), images.read(target, "target")
    return Order(
        request=PixelsRequest([], None, **choices, raw_reference=raw_reference, raw_target=raw_target),
        result_name=f"{images.stem(reference.name)} rectified",
        scene_name=scene.name,
        reference_name=reference.name,
        target_name=target.name,
        size=(raw_target.width, raw_target.height),
        choices=choices,
        is_data=reference.colorspace_settings.is_data,
    )


def variant(order: Order, **choices: Any) -> Order:
    """The same pictures with some other choices. The pixels are shared, as long as the order's own request is never sent."""
    return replace(order, request=replace(order.request, **choices), choices={**order.choices, **choices})


def encode(order: Order, picture: np.ndarray) -> np.ndarray:
    """The engine's picture as the flat buffer of a Blender image. Any thread."""
    return images.encode(picture, order.is_data)


def land(
    order: Order, flat: np.ndarray, size: tuple[int, int], record: dict[str, Any] | None = None, seconds: float = 0.0
) -> bpy.types.Image:
    """Make the result image, let the scene's panel point to it, enter it into the target's history. size: (width, height)."""
    image = images.new_float_image(order.result_name, flat, *size, is_data=order.is_data)
    scene = bpy.data.scenes.get(order.scene_name)
    if scene:
        scene.selfrect.result = image
    target, reference = (bpy.data.images.get(name) for name in (order.target_name, order.reference_name))
    history.add(target, image, reference, record or {}, order.choices, seconds)
    return image


def size_of(job: Job) -> tuple[int, int]:
    """(width, height) of a finished job's picture."""
    return job.image.shape[1], job.image.shape[0]


def make(
    queue: JobQueue, order: Order, on_change: Callable[[Job], None] | None = None
) -> tuple[bpy.types.Image, dict[str, Any]]:
    """Do the whole job and wait for it: the result image and its record. For background mode and scripts.

    Raises Problem: whatever the request, the engine or a cancel (Ctrl-C) ends it with.
    """
    started = time.monotonic()
    job = queue.submit(order.request)
    try:
        queue.wait(job, on_change)
    except KeyboardInterrupt:
        queue.cancel(job)
        queue.wait(job, timeout=queue.deadlines.cancel + 1)
    if job.problem:
        raise job.problem
    if job.state is not JobState.DONE:
        raise problems.Problem("cancelled", "Rectify was cancelled.", "Start it again when you like.")
    image = land(order, encode(order, job.image), size_of(job), job.record, time.monotonic() - started)
    return image, job.record
