# SPDX-License-Identifier: GPL-3.0-or-later
"""Which two pictures are compared. Names are handed on, never data-blocks: a comparison outlives undo and deletion."""

from __future__ import annotations

import bpy

from ..host.engine_source import problems
from . import history, images, provisional, udim

_OWNER = "compare "  # of a picture of a tile, followed by the image's name

AGAINST = (
    ("TARGET", "Target", "The rough edit that the result was made of"),
    ("REFERENCE", "Reference", "The texture that the result should look like"),
)


def pair(
    context: bpy.types.Context, against: str, result: str = "", other: str = ""
) -> tuple[bpy.types.Image, bpy.types.Image]:
    """The result and what it is compared with: names, else what the editor shows, else the panel's choices.

    against: "TARGET" or "REFERENCE"; a result of a history is compared with its own. Raises Problem bad_input.
    """
    choices = context.scene.selfrect
    first = images.by_name(result, "result") if result else _shown_result(context) or choices.result
    if first is None:
        raise problems.Problem("bad_input", "There is no result yet.", "Press Rectify first, or name an image.")
    second = images.by_name(other, against.lower()) if other else _own(first, against) or getattr(choices, against.lower())
    if second is None:
        raise problems.Problem("bad_input", f"No {against.lower()} is chosen.", f"Choose an image as the {against.lower()}.")
    for image in (first, second):
        images.check(image, "picture", tiles=True)
    return first, second


def tile_of(result: bpy.types.Image, other: bpy.types.Image) -> int:
    """Which UDIM tile of the two is compared: the active one; 0 where they have none. Raises Problem bad_input."""
    tiled = [image for image in (result, other) if udim.is_tiled(image)]
    if not tiled:
        return 0
    number = udim.active(tiled[0])
    for image in tiled:
        if number not in [tile.number for tile in image.tiles]:
            sentence = f"“{image.name}” has no tile {number}, which is the active one of “{tiled[0].name}”."
            raise problems.Problem("bad_input", sentence, "Choose a tile that both have in the list of UDIM tiles.")
    return number


def take_tiles(result: bpy.types.Image, other: bpy.types.Image, number: int) -> None:
    """Make pictures of that tile, as it is now: of a tiled image Blender draws only the first one for add-ons. Raises Problem bad_input."""
    drop_tiles()
    for image in {result, other} if number else ():
        if udim.is_tiled(image):
            picture = udim.single(image, number, "picture")
            provisional.adopt(picture, _owner(image.name), image.name)
            images.check(picture, "picture")  # reads it, too: nothing can be read while drawing


def drop_tiles() -> None:
    """Take those pictures away."""
    provisional.remove_all(_OWNER)


def seen(name: str) -> bpy.types.Image | None:
    """What is drawn for the image of that name: the picture of its tile, else itself. None: it is gone."""
    image = bpy.data.images.get(name)
    return provisional.find(_owner(name)) if udim.is_tiled(image) else image


def _owner(name: str) -> str:
    return _OWNER + name


def is_shown_with(image: bpy.types.Image | None, result: str, other: str) -> bool:
    """Whether an editor that shows `image` shows the comparison: the result itself, or another of the same target."""
    if image is None or image.name == other:
        return False
    if image.name == result:
        return True
    found, first = history.find(image), history.find(bpy.data.images.get(result))
    return bool(found and first and found[0] == first[0])


def _shown_result(context: bpy.types.Context) -> bpy.types.Image | None:
    space = context.space_data
    shown = space.image if space and space.type == "IMAGE_EDITOR" else None
    return shown if history.find(shown) else None


def _own(result: bpy.types.Image, against: str) -> bpy.types.Image | None:
    found = history.find(result)
    if found is None:
        return None
    target, entry = found
    return target if against == "TARGET" else entry.reference
