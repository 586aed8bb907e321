# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job, as the panel, the operators and the command line all do it:

images → `order` (copies of pixels and names, no data-block) → the engine → `encode` → `land` (a new image).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import bpy
import numpy as np

from .host.engine_source import problems
from .host.job import Job, JobState
from .host.job_queue import JobQueue
from .host.request import RectifyRequest
from .scene import editors, history, images, landing, map_pictures, maps, udim
from .scene.references import Further, Outside, Raw

_PICTURES, _FOLLOWED = history.PICTURES, history.FOLLOWED


@dataclass
class PixelsRequest(RectifyRequest):
    """A request that still holds Blender's raw pixels; they become display-referred pictures in the queue's own thread."""

    raw: Raw | None = None
    raw_maps: tuple[map_pictures.Read, ...] = ()

    def check(self) -> None:
        """Convert, then check as any request. Raises Problem bad_input."""
        raw, self.raw = self.raw, None
        self.references, self.target = raw.reference_pictures(), raw.target_picture()
        self.mask, self.weights, self.regions = raw.mask_picture(), raw.weights(), raw.region_pictures()
        self.maps, self.raw_maps = {each.wanted.name: each.pictures() for each in self.raw_maps}, ()
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
    landing: landing.Landing  # how the picture becomes an image
    outside: Outside | None = None  # pixels of the target that stay, where there is a mask
    maps: tuple[map_pictures.Wanted, ...] = ()  # that come with the result
    left: tuple[str, ...] = ()  # maps that were asked for and that another reference has not
    part: udim.Part | None = None  # of a target with UDIM tiles

    @property
    def is_data(self) -> bool:
        """Non-Color in, Non-Color out."""
        return self.landing.is_data

    def places(self) -> list[bpy.types.SpaceImageEditor]:
        """The image editors that shall show what becomes of it."""
        mask = self.choices.get(_PICTURES, {}).get("mask", "")
        return editors.places_of(bpy.data.images.get(self.target_name), bpy.data.images.get(mask))


def order(
    scene: bpy.types.Scene,
    reference: bpy.types.Image | None,
    target: bpy.types.Image | None,
    further: Further | None = None,
    follow: Iterable[maps.Map | tuple[maps.Map, ...]] = (),
    **choices: Any,
) -> Order:
    """The only one of `orders`. Raises Problem bad_input where there are several."""
    return only(orders(scene, reference, target, further, follow, **choices))


def only(found: list[Order]) -> Order:
    """The one of these. Raises Problem bad_input where there are several, which not everything can work on."""
    if len(found) > 1:
        tiles = "; ".join(udim.told(each.part.group.numbers) for each in found)
        sentence = f"The target “{found[0].target_name}” has UDIM tiles that do not touch: {tiles}."
        raise problems.Problem("bad_input", sentence, "Press Rectify, which works on one group of tiles after the other.")
    return found[0]


def orders(
    scene: bpy.types.Scene,
    reference: bpy.types.Image | None,
    target: bpy.types.Image | None,
    further: Further | None = None,
    follow: Iterable[maps.Map | tuple[maps.Map, ...]] = (),
    **choices: Any,
) -> list[Order]:
    """Copy what the requests need out of the .blend: one, or one for each group of UDIM tiles that touch.

    follow: maps over the reference that the result shall have too, see `maps.together`. choices: model, device, dtype, seed, settings
    of RectifyRequest. Raises Problem bad_input where an image cannot be read; nothing in the .blend has changed then, nor after success.
    """
    images.check(target, "target", tiles=True)  # before the reference is copied
    images.check(reference, "reference", tiles=True)
    parts = udim.parts(target) if udim.is_tiled(target) else [None]
    return [_order(scene, reference, target, further or Further(), tuple(follow), part, choices) for part in parts]


def _order(
    scene: bpy.types.Scene,
    reference: bpy.types.Image,
    target: bpy.types.Image,
    further: Further,
    follow: tuple[maps.Map | tuple[maps.Map, ...], ...],
    part: udim.Part | None,
    choices: dict[str, Any],
) -> Order:
    followed = [(each[0] if isinstance(each, tuple) else each).image.name for each in follow]
    raw, own = Raw.read(reference, target, further, part)
    lands = landing.of(reference, own)
    others = [used.image for used in further.references]
    if further.heal and part:
        follow = ()  # the maps' tiles are no canvas yet, as the image's are
    of_each, left = maps.together(follow, others)
    raw_maps = map_pictures.read(of_each, [reference, *others])
    return Order(
        request=PixelsRequest([], None, **choices, raw=raw, raw_maps=raw_maps),
        result_name=f"{images.stem(reference.name)} {'healed' if further.heal else 'rectified'}",
        scene_name=scene.name,
        reference_name=reference.name,
        target_name=target.name,
        size=raw.size,
        choices={**choices, _PICTURES: {**further.names(), _FOLLOWED: followed}},
        landing=lands,
        outside=raw.outside(lands),
        maps=tuple(each.wanted for each in raw_maps),
        left=tuple(left),
        part=part,
    )


def variant(order: Order, **choices: Any) -> Order:
    """The same pictures with some other choices. The pixels are shared, as long as the order's own request is never sent."""
    return replace(order, request=replace(order.request, **choices), choices={**order.choices, **choices})


def encode(order: Order, picture: np.ndarray) -> landing.Encoded:
    """The engine's picture as a Blender image will hold it. Any thread."""
    flat = landing.buffer(order.landing, picture)
    if order.outside:
        order.outside.restore(flat)
    made = landing.encoded(order.landing, flat, order.size, picture.shape[2] == 4)
    return replace(made, thumbnail=landing.thumbnail(order.landing, flat, order.size))


def encode_all(
    order: Order, picture: np.ndarray, made: dict[str, np.ndarray]
) -> tuple[landing.Encoded, list[map_pictures.Encoded]]:
    """As `encode`, and the maps that the engine made. Any thread."""
    if order.request and order.reference_name == order.target_name:
        made = map_pictures.kept(made, order.request.maps, order.request.mask)
    return encode(order, map_pictures.with_alpha(picture, made, order.maps)), map_pictures.encode(made, order.maps, order.part is not None)


def shown(order: Order, picture: np.ndarray) -> np.ndarray:
    """The flat buffer of a provisional image, for a picture of any size. Any thread."""
    return landing.shown(order.landing, picture)


def land(
    order: Order,
    made: landing.Encoded,
    record: dict[str, Any] | None = None,
    seconds: float = 0.0,
    made_maps: Iterable[map_pictures.Encoded] = (),
) -> bpy.types.Image:
    """Make the result image and its maps, let the scene's panel point to it, enter it into the target's history."""
    image = landing.land(order.result_name, made, order.size, order.landing, order.part)
    land_maps(order, image, made_maps)
    scene = bpy.data.scenes.get(order.scene_name)
    if scene:
        scene.selfrect.result = image
    target, reference = (bpy.data.images.get(name) for name in (order.target_name, order.reference_name))
    if history.find(image) is None:  # else it has got more tiles
        history.add(target, image, reference, record or {}, order.choices, seconds)
    landing.show_thumbnail(image, made.thumbnail)
    return image


def land_maps(order: Order, result: bpy.types.Image, made_maps: Iterable[map_pictures.Encoded]) -> None:
    """Make images of the maps, and keep them with the result."""
    map_pictures.land(result, made_maps, order.part)


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
    made, made_maps = encode_all(order, job.image, job.maps)
    image = land(order, made, job.record, time.monotonic() - started, made_maps)
    return image, job.record
