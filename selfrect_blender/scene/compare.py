# SPDX-License-Identifier: GPL-3.0-or-later
"""Which two pictures are compared. Names are handed on, never data-blocks: a comparison outlives undo and deletion."""

from __future__ import annotations

import bpy

from ..host.engine_source import problems
from . import history, images

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
        images.check(image, "picture")
    return first, second


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
