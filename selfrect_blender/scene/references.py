# SPDX-License-Identifier: GPL-3.0-or-later
"""All pictures of a request: several references, each with a weight and a region, the target, its mask, the size of the result.

`Further` is what may be chosen besides the reference and the target; `Raw` are copies of the pixels, which become what the engine takes
in another thread.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from ..edit import compositing, sampling
from ..host.engine_source import problems
from . import images, udim
from .landing import Landing


@dataclass(frozen=True)
class Used:
    """A reference. weight: above 0, how much of it is used beside the others. region: an image, where in the target it counts."""

    image: bpy.types.Image | None
    weight: float = 1.0
    region: bpy.types.Image | None = None


@dataclass(frozen=True)
class Further:
    """references: besides the first. weight, region: of the first. mask: white where the picture may change; None: everywhere.

    size: (width, height) of the result in pixels; 0: the target's, or in its proportions where the other one is given.
    heal: reference and target are one image; what the mask covers, or what is transparent where there is none, is filled from the rest.
    """

    references: tuple[Used, ...] = ()
    weight: float = 1.0
    region: bpy.types.Image | None = None
    mask: bpy.types.Image | None = None
    size: tuple[int, int] = (0, 0)
    heal: bool = False

    def names(self) -> dict[str, Any]:
        """To be kept with a result, as JSON; what `recall` takes."""
        mine, *others = [
            {"image": _name(used.image), "weight": used.weight, "region": _name(used.region)}
            for used in (Used(None, self.weight, self.region), *self.references)
        ]
        return {"first": mine, "others": others, "mask": _name(self.mask), "size": list(self.size)}


def chosen(scene: bpy.types.Scene) -> Further:
    """What the panel says."""
    choices = scene.selfrect
    others = tuple(Used(item.image, item.weight, item.region) for item in choices.references if item.image)
    size = (choices.result_width, choices.result_height)
    return Further(others, choices.reference_weight, choices.reference_region, choices.mask, size)


def recall(scene: bpy.types.Scene, names: dict[str, Any]) -> list[str]:
    """Set the panel as it was; an image that is gone is left out. Returns the names of those."""
    choices, gone = scene.selfrect, []

    def find(name: str) -> bpy.types.Image | None:
        if name and name not in bpy.data.images:
            gone.append(name)
        return bpy.data.images.get(name)

    first = names.get("first", {})
    choices.reference_weight, choices.reference_region = first.get("weight", 1.0), find(first.get("region", ""))
    choices.mask = find(names.get("mask", ""))
    choices.result_width, choices.result_height = names.get("size", (0, 0))
    choices.references.clear()
    for other in names.get("others", ()):
        item = choices.references.add()
        item.image, item.weight, item.region = find(other["image"]), other["weight"], find(other["region"])
    return gone


def listed(words: str, find: Callable[[str, str], bpy.types.Image]) -> tuple[Used, ...]:
    """Of a script's words, JSON: a list of names, or of [name, weight, region's name]. Raises Problem bad_input.

    find: takes a name and what it is for.
    """
    try:
        entries = [[entry] if isinstance(entry, str) else list(entry) for entry in json.loads(words)]
        split = [(entry[0], float(entry[1]) if len(entry) > 1 else 1.0, entry[2] if len(entry) > 2 else "") for entry in entries]
    except (ValueError, TypeError, IndexError) as error:
        remedy = 'Give a list such as ["moss", ["bark", 2.0, "bark area"]].'
        raise problems.Problem("bad_input", f"The further references “{words}” cannot be read.", remedy) from error
    return tuple(Used(find(name, "reference"), weight, find(region, "region") if region else None) for name, weight, region in split)


@dataclass(frozen=True, eq=False)
class Raw:
    """Copies of pixels; no data-block. The methods that make pictures are for any thread. size: (width, height) of the result."""

    references: list[images.Pixels]
    target: images.Pixels
    size: tuple[int, int]
    mask: images.Pixels | None
    used: list[tuple[float, images.Pixels | None]]  # weight and region of each reference
    heals: bool = False

    @classmethod
    def read(
        cls, reference: bpy.types.Image | None, target: bpy.types.Image | None, further: Further, part: udim.Part | None = None
    ) -> tuple[Raw, str]:
        """And the own colour space that all of them have, see `images.alike`. part: of a target with UDIM tiles, which keeps its size.

        Each tile of a tiled reference is a reference. Raises Problem bad_input.
        """
        canvas = udim.stitched(part.tiles, part.group) if part else images.read(target, "target")
        used, pictures = [], []
        for each in (Used(reference, further.weight, further.region), *further.references):
            found = [canvas] if further.heal and each.image == target else _tiles(each.image)
            used += [each] * len(found)
            pictures += found
        (*references, picture), own = images.alike([*pictures, canvas])
        mask = _area(further.mask, "mask", part)
        shares = [(each.weight, _area(each.region, "region", part)) for each in used]
        size = (picture.width, picture.height) if further.heal or part else _size(further.size, picture)
        raw = cls(references, picture, size, mask, shares, further.heal)
        if further.heal:
            raw.check_hole(target.name)
        return raw, own

    def reference_pictures(self) -> list[np.ndarray]:
        """Of each (H, W, 4)."""
        pictures = [each.display() for each in self.references]
        if self.heals:
            pictures[0][..., 3][self.mask_picture() > 0] = 0
        return pictures

    def target_picture(self) -> np.ndarray:
        """(H, W, 4) in the size of the result."""
        picture = self.target.display()
        if self.heals:
            picture[..., 3][self.mask_picture() > 0] = 0
        if (self.target.width, self.target.height) == self.size:
            return picture
        scaled = compositing.divided(sampling.scaled(compositing.multiplied(picture), *self.size))
        beneath = sampling.scaled(picture, *self.size)  # what is transparent has colours that count
        return np.where(scaled[..., 3:] > 0, scaled, beneath)

    def mask_picture(self) -> np.ndarray | None:
        """(H, W), 1 where the picture may change."""
        if self.mask is None and self.heals:
            return (self.target.picture()[..., 3] < 1).astype(np.float32)
        return None if self.mask is None else coverage(self.mask, self.size)

    def check_hole(self, name: str) -> None:
        """Raise Problem bad_input where there is nothing to fill, or nothing to fill it from."""
        hole = self.mask_picture() > 0
        if not hole.any():
            sentence = f"There is no hole in “{name}”: nothing is transparent." if self.mask is None else "The mask is black everywhere."
            raise problems.Problem("bad_input", sentence, "Erase what is to be filled, or choose a mask that is white there.")
        if hole.all():
            raise problems.Problem("bad_input", f"All of “{name}” would be filled.", "Leave a part of it to fill the hole from.")

    def weights(self) -> list[float] | None:
        """Of each reference; None where they are all alike."""
        weights = [float(weight) for weight, _ in self.used]
        return weights if len(set(weights)) > 1 else None

    def region_pictures(self) -> list[np.ndarray | None] | None:
        """Of each reference (H, W), None: everywhere."""
        regions = [None if region is None else coverage(region, self.size) for _, region in self.used]
        return regions if any(region is not None for region in regions) else None

    def outside(self, lands: Landing) -> Outside | None:
        """What a mask protects, where the result's buffer will hold the same numbers as the target's."""
        kind = lands.space.kind if lands.is_data or lands.own else "linear"
        same = kind == self.target.encoding and (kind != "linear" or _equal(self.target.to_rec709, lands.light.to_rec709))
        unscaled = (self.target.width, self.target.height) == self.size
        masked = self.mask is not None or self.heals
        return Outside(self) if masked and same and unscaled and self.target.channels == 4 else None


@dataclass(frozen=True, eq=False)
class Outside:
    """The target's pixels where its mask is black."""

    raw: Raw

    def restore(self, flat: np.ndarray) -> None:
        """Put them into a buffer of the same kind, so that not one bit of them went through a conversion and back. Any thread."""
        stays = self.raw.mask_picture()[::-1].ravel() == 0
        there, here = self.raw.target.flat.reshape(-1, 4), flat.reshape(-1, 4)
        if self.raw.target.premultiplied:
            stays &= there[:, 3] == 1
        here[stays, :3] = there[stays, :3]


def coverage(mask: images.Pixels, size: tuple[int, int]) -> np.ndarray:
    """(H, W) in [0, 1], top row first: how white an image is, times its alpha. Of another size than wanted it is stretched. Any thread."""
    picture = mask.display()
    grey = (picture[..., :3].mean(-1) if mask.channels >= 3 else picture[..., 0]) * picture[..., 3]
    if (mask.width, mask.height) != size:
        grey = sampling.scaled(grey[..., None], *size)[..., 0]
    return np.ascontiguousarray(np.clip(grey, 0, 1), np.float32)


def _tiles(image: bpy.types.Image | None) -> list[images.Pixels]:
    """A reference; of a tiled one each tile. Raises Problem bad_input."""
    return list(udim.read(image, "reference").values()) if udim.is_tiled(image) else [images.read(image, "reference")]


def _area(image: bpy.types.Image | None, what: str, part: udim.Part | None) -> images.Pixels | None:
    """A mask or a region. Raises Problem bad_input."""
    if image is None or part is None:
        return images.read(image, what) if image else None
    if not udim.is_tiled(image):
        sentence = f"The {what} “{image.name}” has no UDIM tiles, and the target has."
        raise problems.Problem("bad_input", sentence, "Press New Mask for one that has.")
    tiles = udim.read(image, what)
    missing = set(part.group.numbers) - set(tiles)
    if missing:
        sentence = f"The {what} “{image.name}” lacks the tiles {udim.told(missing)}."
        raise problems.Problem("bad_input", sentence, "Press New Mask for one that has them.")
    return udim.stitched(tiles, part.group)


def _name(image: bpy.types.Image | None) -> str:
    return image.name if image else ""


def _size(wanted: tuple[int, int], target: images.Pixels) -> tuple[int, int]:
    width, height = wanted
    if width and not height:
        height = max(round(target.height * width / target.width), 1)
    elif height and not width:
        width = max(round(target.width * height / target.height), 1)
    return (width, height) if width else (target.width, target.height)


def _equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other or (one is not None and other is not None and np.allclose(one, other))
