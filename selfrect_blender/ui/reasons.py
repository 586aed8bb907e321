# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a button is not available, in a sentence for the line beneath it; empty where it is. Asked while drawing: loads no image."""

from __future__ import annotations

import time

import bpy

from .. import setup
from ..host.engine_process import engine_command
from ..host.engine_source import problems
from ..scene import images, materials
from ..scene import reference as found_reference
from .translations import say

_checked = ("", 0.0, "")  # the engine's location, until when it is taken as checked, what was found


def engine() -> str:
    """Why no engine can be started. The disk is asked once a second at most: drawing asks much more often."""
    global _checked
    location, now = setup.engine_location(), time.monotonic()
    if _checked[0] != location or now > _checked[1]:
        _checked = location, now + 1.0, _problem_of(engine_command, location)
    return setup.reason() or _checked[2]


def new_target(context: bpy.types.Context) -> str:
    """Why no target can be made."""
    return _image(reference(context), "reference", True)


def reference(context: bpy.types.Context) -> bpy.types.Image | None:
    """The chosen reference, else the one that the node, the paint slot or the material at hand tells."""
    return context.scene.selfrect.reference or found_reference.find(context).image


def rectify(context: bpy.types.Context) -> str:
    """Why nothing can be rectified now."""
    return _image(reference(context), "reference", True) or _image(context.scene.selfrect.target, "target", True) or engine()


def heal(context: bpy.types.Context) -> str:
    """Why no hole can be filled."""
    return _image(context.scene.selfrect.target or reference(context), "target", True) or engine()


def new_mask(context: bpy.types.Context) -> str:
    """Why no mask can be made."""
    return _image(context.scene.selfrect.target, "target", True)


def edit_target(context: bpy.types.Context) -> str:
    """Why there is nothing to edit."""
    return _image(context.scene.selfrect.target, "target")


def apply(context: bpy.types.Context) -> str:
    """Why there is nothing to apply, or nothing to apply it to."""
    if context.scene.selfrect.result is None:
        return say("There is no result yet.")
    return _problem_of(materials.of_context, context)


def _image(image: bpy.types.Image | None, what: str, tiles: bool = False) -> str:
    return _problem_of(images.check, image, what, False, tiles)


def _problem_of(function, *arguments) -> str:
    try:
        function(*arguments)
    except problems.Problem as problem:
        return str(problem)
    return ""
