# SPDX-License-Identifier: GPL-3.0-or-later
"""All pictures of a request: several references, each with a weight and a region, the target, its mask, the size of the result.

`Further` is what may be chosen besides the reference and the target; `Raw` are copies of the pixels, which become what the engine takes
in another thread.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from ..edit import compositing, sampling
from . import images
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
    """

    references: tuple[Used, ...] = ()
    weight: float = 1.0
    region: bpy.types.Image | None = None
    mask: bpy.types.Image | None = None
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True, eq=False)
class Raw:
    """Copies of pixels; no data-block. The methods that make pictures are for any thread. size: (width, height) of the result."""

    references: list[images.Pixels]
    target: images.Pixels
    size: tuple[int, int]
    mask: images.Pixels | None
    used: list[tuple[float, images.Pixels | None]]  # weight and region of each reference

    @classmethod
    def read(cls, reference: bpy.types.Image | None, target: bpy.types.Image | None, further: Further) -> tuple[Raw, str]:
        """And the own colour space that all of them have, see `images.alike`. Raises Problem bad_input."""
        used = [Used(reference, further.weight, further.region), *further.references]
        pictures = [images.read(each.image, "reference") for each in used] + [images.read(target, "target")]
        (*references, picture), own = images.alike(pictures)
        mask = images.read(further.mask, "mask") if further.mask else None
        shares = [(each.weight, images.read(each.region, "region") if each.region else None) for each in used]
        return cls(references, picture, _size(further.size, picture), mask, shares), own

    def reference_pictures(self) -> list[np.ndarray]:
        """Of each (H, W, 4)."""
        return [each.display() for each in self.references]

    def target_picture(self) -> np.ndarray:
        """(H, W, 4) in the size of the result."""
        picture = self.target.display()
        if (self.target.width, self.target.height) == self.size:
            return picture
        scaled = compositing.divided(sampling.scaled(compositing.multiplied(picture), *self.size))
        beneath = sampling.scaled(picture, *self.size)  # what is transparent has colours that count
        return np.where(scaled[..., 3:] > 0, scaled, beneath)

    def mask_picture(self) -> np.ndarray | None:
        """(H, W), 1 where the picture may change."""
        return None if self.mask is None else coverage(self.mask, self.size)

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
        return Outside(self.target, self.mask) if self.mask and same and unscaled and self.target.channels == 4 else None


@dataclass(frozen=True, eq=False)
class Outside:
    """The target's pixels where its mask is black."""

    target: images.Pixels
    mask: images.Pixels

    def restore(self, flat: np.ndarray) -> None:
        """Put them into a buffer of the same kind, so that not one bit of them went through a conversion and back. Any thread."""
        stays = coverage(self.mask, (self.target.width, self.target.height))[::-1].ravel() == 0
        there, here = self.target.flat.reshape(-1, 4), flat.reshape(-1, 4)
        if self.target.premultiplied:
            stays &= there[:, 3] == 1
        here[stays, :3] = there[stays, :3]


def coverage(mask: images.Pixels, size: tuple[int, int]) -> np.ndarray:
    """(H, W) in [0, 1], top row first: how white an image is, times its alpha. Of another size than wanted it is stretched. Any thread."""
    picture = mask.display()
    grey = (picture[..., :3].mean(-1) if mask.channels >= 3 else picture[..., 0]) * picture[..., 3]
    if (mask.width, mask.height) != size:
        grey = sampling.scaled(grey[..., None], *size)[..., 0]
    return np.ascontiguousarray(np.clip(grey, 0, 1), np.float32)


def _size(wanted: tuple[int, int], target: images.Pixels) -> tuple[int, int]:
    width, height = wanted
    if width and not height:
        height = max(round(target.height * width / target.width), 1)
    elif height and not width:
        width = max(round(target.width * height / target.height), 1)
    return (width, height) if width else (target.width, target.height)


def _equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other or (one is not None and other is not None and np.allclose(one, other))
