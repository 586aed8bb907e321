# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps on their way: out of Blender's images as the engine wants them, and back into images beside the result.

Data (Non-Color) travels as the numbers that are in the file, colour as the base colour does. What is grey travels as one channel.
A normal map whose green points down travels turned up and comes back as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import bpy
import numpy as np

from . import color_spaces, history, images, landing, map_uses, udim
from .maps import Map


@dataclass(frozen=True, eq=False)
class Wanted:
    """A map that was asked for: what is needed to know it when it comes back.

    source: its image's name. uses: see `map_uses`. channels: those that the material uses, "" for the colour.
    of_base: it is the reference's own alpha, and becomes the result's.
    """

    name: str
    source: str
    uses: str
    channels: frozenset[str]
    y_down: bool
    of_base: bool
    lands: landing.Landing


@dataclass(frozen=True, eq=False)
class Read:
    """The pixels of a wanted map, one image for each reference. Any thread. y_down: of each."""

    wanted: Wanted
    raw: tuple[images.Pixels, ...]
    y_down: tuple[bool, ...]

    def pictures(self) -> list[np.ndarray]:
        """(h, w, 1|3|4) float32, top row first, as the engine takes them."""
        pictures = [self._picture(*each) for each in zip(self.raw, self.y_down, strict=True)]
        if self.wanted.channels == {"A"}:
            return [np.ascontiguousarray(picture[..., 3:]) for picture in pictures]
        if "A" in self.wanted.channels:
            return pictures
        count = 1 if not self.wanted.name.startswith("normal") and all(map(_is_grey, pictures)) else 3
        return [np.ascontiguousarray(picture[..., :count]) for picture in pictures]

    def _picture(self, raw: images.Pixels, y_down: bool) -> np.ndarray:
        picture = raw.display()
        if y_down:
            _turn_over(picture)
        return picture


@dataclass(frozen=True, eq=False)
class Encoded:
    """A map that is ready to become an image of this size, (width, height)."""

    wanted: Wanted
    made: landing.Encoded
    size: tuple[int, int]


def read(found: Iterable[tuple[Map, ...]], references: Sequence[bpy.types.Image]) -> tuple[Read, ...]:
    """Copies of these maps' pixels, painted and never saved ones included. Raises Problem bad_input where one cannot be read.

    found: each map with those of the same name of the other references, in their order. Each tile of a tiled reference is one.
    """
    return tuple(_read(of_each, references) for of_each in found)


def with_alpha(picture: np.ndarray, made: dict[str, np.ndarray], wanted: Iterable[Wanted]) -> np.ndarray:
    """The result with the alpha that its reference had: (H, W, 3|4). Any thread."""
    alpha = next((made[each.name] for each in wanted if each.of_base and each.name in made), None)
    if alpha is None or alpha.shape[:2] != picture.shape[:2]:
        return picture
    if picture.shape[2] == 4:  # it has some from its target
        alpha = np.minimum(alpha, picture[..., 3:])
    return np.concatenate([picture[..., :3], alpha], axis=2)


def kept(made: dict[str, np.ndarray], sent: dict[str, list[np.ndarray]], mask: np.ndarray | None) -> dict[str, np.ndarray]:
    """Where the target is the reference itself: outside of the mask each map stays as it was, bit by bit. Any thread."""
    if mask is None:
        return made
    return {name: _kept(picture, sent[name][0], mask) if name in sent else picture for name, picture in made.items()}


def encode(made: dict[str, np.ndarray], wanted: Iterable[Wanted], in_tiles: bool = False) -> list[Encoded]:
    """The engine's maps as images will hold them; one that nobody asked for is an estimate. Any thread.

    in_tiles: they become UDIM tiles, else files are all that is needed.
    """
    known = {each.name: each for each in wanted}
    return [_encode(known.get(name) or _estimate(name), picture, in_tiles) for name, picture in made.items()]


def land(result: bpy.types.Image, encoded: Iterable[Encoded], part: udim.Part | None = None) -> list[bpy.types.Image]:
    """New packed images named after the result, "bark rectified_normal", kept with it. part: of UDIM tiles."""
    has_alpha = result.depth == 128  # then the reference's alpha is in it
    landed = []
    for each in encoded:
        wanted = each.wanted
        if not (wanted.of_base and has_alpha):
            name = f"{result.name}_{wanted.name}"
            if each.made.flat is None:
                image = landing.of_file(name, each.made, wanted.lands)
            else:
                image = landing.land(name, each.made, each.size, wanted.lands, part)
            if image not in history.maps_of(result).values():  # else it has got more tiles
                history.add_map(result, wanted.name, image, wanted.source, wanted.uses)
            landed.append(image)
    return landed


def _read(of_each: tuple[Map, ...], references: Sequence[bpy.types.Image]) -> Read:
    found, base = of_each[0], references[0]
    tiles = [_tiles(each.image, reference) for each, reference in zip(of_each, references, strict=False)]  # the engine counts them
    raw = tuple(tile for tiles_of_one in tiles for tile in tiles_of_one)
    y_down = tuple(each.y_down for each, tiles_of_one in zip(of_each, tiles, strict=False) for _ in tiles_of_one)
    channels = frozenset(use.channel for use in found.uses)
    lands = _data() if channels == {"A"} else landing.of(found.image, raw[0].label if raw[0].encoding == "own" else "")
    of_base = found.image == base and found.is_alpha
    wanted = Wanted(found.name, found.image.name, map_uses.written(found.uses), channels, found.y_down, of_base, lands)
    return Read(wanted, raw, y_down)


def _tiles(image: bpy.types.Image, reference: bpy.types.Image) -> list[images.Pixels]:
    return list(udim.read(image, "map").values()) if udim.is_tiled(reference) else [images.read(image, "map")]


def _estimate(name: str) -> Wanted:
    return Wanted(name, "", map_uses.written([map_uses.Use(name)]), frozenset(), False, False, _data())


def _data() -> landing.Landing:
    space = color_spaces.Space("Non-Color", "data")
    return landing.Landing(space, False, space)


def _encode(wanted: Wanted, picture: np.ndarray, in_tiles: bool) -> Encoded:
    if picture.shape[2] == 1:
        picture = np.repeat(picture, 4 if wanted.channels == {"A"} else 3, axis=2)
    if wanted.y_down:
        picture = picture.copy()
        _turn_over(picture)
    size = (picture.shape[1], picture.shape[0])
    made = landing.encoded(wanted.lands, landing.buffer(wanted.lands, picture), size, picture.shape[2] == 4)
    if made.packed and not in_tiles:
        made = replace(made, flat=None)
    return Encoded(wanted, made, size)


def _kept(picture: np.ndarray, before: np.ndarray, mask: np.ndarray) -> np.ndarray:
    if picture.shape != before.shape:
        return picture
    rows, columns = (np.arange(many) * few // many for many, few in zip(picture.shape, mask.shape, strict=False))
    return np.where(mask[np.ix_(rows, columns)][..., None] > 0, picture, before)


def _is_grey(picture: np.ndarray) -> bool:
    return all(np.array_equal(picture[..., 0], picture[..., channel]) for channel in (1, 2))


def _turn_over(normals: np.ndarray) -> None:
    normals[..., 1] = 1 - normals[..., 1]
