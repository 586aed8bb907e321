# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that live only for a while: the preview in the result's place, tiles that are compared. They are in no undo step of their own.

Each is marked with its owner and with the target in whose place it is shown. An undo, a file or a crash may bring one
back that nobody owns any more: `sweep` takes it away.
"""

from __future__ import annotations

from collections.abc import Container

import bpy
import numpy as np

from . import editors

_OWNER, _INSTEAD_OF = "selfrect_provisional", "selfrect_instead_of"


def find(owner: str) -> bpy.types.Image | None:
    """The image of this owner, whatever it is called by now."""
    return next((image for image in bpy.data.images if image.get(_OWNER) == owner), None)


def write(image: bpy.types.Image, flat: np.ndarray) -> None:
    """New pixels; no undo step, and not packed."""
    image.pixels.foreach_set(flat)
    image.update()


def new(owner: str, name: str, target_name: str, size: tuple[int, int], is_data: bool) -> bpy.types.Image:
    """An empty float image of size (width, height)."""
    image = bpy.data.images.new(name, *size, alpha=False, float_buffer=True, is_data=is_data)
    adopt(image, owner, target_name)
    return image


def adopt(image: bpy.types.Image, owner: str, target_name: str) -> None:
    """An image that was made elsewhere becomes a provisional one."""
    image[_OWNER], image[_INSTEAD_OF] = owner, target_name


def remove(image: bpy.types.Image) -> list[bpy.types.SpaceImageEditor]:
    """Take it away; the editors that showed it show the target again. Returns these editors."""
    spaces = [area.spaces.active for area in editors.areas("IMAGE_EDITOR") if area.spaces.active.image == image]
    editors.show(spaces, bpy.data.images.get(image[_INSTEAD_OF]))
    bpy.data.images.remove(image)
    return spaces


def remove_all(start: str) -> None:
    """Take away all whose owner begins like this."""
    for image in [image for image in bpy.data.images if image.get(_OWNER, "").startswith(start)]:
        remove(image)


def sweep(owners: Container[str]) -> None:
    """Take away all that belong to none of these."""
    for image in [image for image in bpy.data.images if _OWNER in image and image[_OWNER] not in owners]:
        remove(image)
