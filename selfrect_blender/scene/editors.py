# SPDX-License-Identifier: GPL-3.0-or-later
"""The window's editors: which there are, what they show, when something may be written behind the artist's back."""

from __future__ import annotations

from collections.abc import Iterable

import bpy

_OURS = ("IMAGE_EDITOR", "NODE_EDITOR", "VIEW_3D")  # those that have a Rectify tab


def areas(*types: str) -> list[bpy.types.Area]:
    """The open areas of these types, in all windows."""
    windows = bpy.context.window_manager.windows
    return [area for window in windows for area in window.screen.areas if area.type in types]


def redraw() -> None:
    """Let the sidebars that have a Rectify tab draw themselves anew; not the 3D view beside them, which may be heavy."""
    for area in areas(*_OURS):
        for region in area.regions:
            if region.type == "UI":
                region.tag_redraw()


def viewers(images: Iterable[bpy.types.Image | None]) -> list[bpy.types.SpaceImageEditor]:
    """The image editors that view one of these; those in which it is being painted do not count. None: empty editors."""
    shown = set(images)
    spaces = [area.spaces.active for area in areas("IMAGE_EDITOR")]
    return [space for space in spaces if space.mode == "VIEW" and space.image in shown]


def places_of(target: bpy.types.Image | None, mask: bpy.types.Image | None) -> list[bpy.types.SpaceImageEditor]:
    """The image editors that shall show what becomes of the target: those that view it, else those where its mask is made.

    Those leave painting and drawing the mask, which is done.
    """
    found = viewers({target} - {None})
    if found:
        return found
    spaces = [area.spaces.active for area in areas("IMAGE_EDITOR")]
    at_mask = [space for space in spaces if (mask and space.image == mask) or (target and space.image == target and space.mode == "MASK")]
    for space in at_mask:
        if space.mode != "VIEW":
            space.mode = "VIEW"
    return at_mask


def show(spaces: Iterable[bpy.types.SpaceImageEditor], image: bpy.types.Image | None, fit: bool = False) -> None:
    """Let these editors show the image, as large as the one before, or so that it fits in."""
    for space in spaces:
        zoom = space.zoom_percentage
        space.image = image
        if fit:
            _fit(space)
        elif image is not None:
            space.zoom_percentage = zoom  # Blender 5 shows each newly chosen image at 100 %


def _fit(space: bpy.types.SpaceImageEditor) -> None:
    for window in [] if bpy.app.background else bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.spaces.active == space:
                region = next(region for region in area.regions if region.type == "WINDOW")
                with bpy.context.temp_override(window=window, area=area, region=region):
                    bpy.ops.image.view_all(fit_view=True)


def shown() -> dict[int, str]:
    """What each image editor shows: {its area's address: the image's name}."""
    return {area.as_pointer(): area.spaces.active.image.name for area in areas("IMAGE_EDITOR") if area.spaces.active.image}


def fill_emptied(before: dict[int, str]) -> None:
    """Editors that lost their image, by what `shown` told before, show the target."""
    for area in areas("IMAGE_EDITOR"):
        if area.spaces.active.image is None and area.as_pointer() in before:
            area.spaces.active.image = bpy.context.window_manager.windows[0].scene.selfrect.target


def may_write() -> bool:
    """Not during a render, nor in the middle of a stroke, a move or another of Blender's own modal tools: their undo steps are open.

    Tools of add-ons, which are Python classes, may run for hours (key displays, for one) and do not count.
    """
    tools = [tool.bl_idname for window in bpy.context.window_manager.windows for tool in window.modal_operators]
    built_in = [name for name in tools if bpy.types.Operator.bl_rna_get_subclass_py(name) is None]
    return not built_in and not bpy.app.is_job_running("RENDER")


def push_undo(message: str) -> None:
    """A data-block made by a timer is in no undo step; without one of its own the next undo would take it away for good."""
    windows = bpy.context.window_manager.windows
    if windows and not bpy.app.background:
        with bpy.context.temp_override(window=windows[0]):
            bpy.ops.ed.undo_push(message=message)
