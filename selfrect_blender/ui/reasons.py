# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a button is not available, in a sentence for the line beneath it; empty where it is. Asked while drawing: loads no image."""

from __future__ import annotations

import bpy

from .. import setup
from ..host.engine_process import engine_command
from ..host.engine_source import problems
from ..scene import images, materials


def engine() -> str:
    """Why no engine can be started."""
    return setup.reason() or _problem_of(engine_command, setup.engine_location())


def new_target(context: bpy.types.Context) -> str:
    """Why no target can be made."""
    return _image(reference(context), "reference")


def reference(context: bpy.types.Context) -> bpy.types.Image | None:
    """The chosen reference, else the material's own texture."""
    return context.scene.selfrect.reference


def rectify(context: bpy.types.Context) -> str:
    """Why nothing can be rectified now."""
    return _image(reference(context), "reference") or _image(context.scene.selfrect.target, "target") or engine()


def edit_target(context: bpy.types.Context) -> str:
    """Why there is nothing to edit."""
    return _image(context.scene.selfrect.target, "target")


def apply(context: bpy.types.Context) -> str:
    """Why there is nothing to apply, or nothing to apply it to."""
    if context.scene.selfrect.result is None:
        return "There is no result yet."
    return _problem_of(materials.of_context, context)


def _image(image: bpy.types.Image | None, what: str) -> str:
    return _problem_of(images.check, image, what, False)


def _problem_of(function, *arguments) -> str:
    try:
        function(*arguments)
    except problems.Problem as problem:
        return str(problem)
    return ""
