# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""The wipe's border, to be dragged: a gizmo, so that it is lit under the mouse and takes no event but its own. Esc puts it back."""

from __future__ import annotations

import bpy

from . import compare_view
from .compare_geometry import fraction_at, is_near_border

_REACH = 8  # pixels beside the border, at a UI scale of 1


class SELFRECT_GT_wipe(bpy.types.Gizmo):
    """The border between the two pictures"""

    bl_idname = "SELFRECT_GT_wipe"

    def draw(self, context: bpy.types.Context) -> None:
        """Blender draws gizmos beneath the pictures: it is they who draw the handle."""
        compare_view.handle = tuple(self.color_highlight if self.is_highlight else self.color)

    def test_select(self, context: bpy.types.Context, location: tuple[int, int]) -> int:
        """0 where the mouse is on the border, else −1."""
        reach = _REACH * context.preferences.system.ui_scale
        return 0 if is_near_border(compare_view.rect_of(context.region), compare_view.state().wipe, tuple(location), reach) else -1

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Take hold of it."""
        self.before = compare_view.state().wipe
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event, tweak: set[str]) -> set[str]:
        """Follow the mouse."""
        compare_view.state().wipe = fraction_at(compare_view.rect_of(context.region), event.mouse_region_x)
        return {"RUNNING_MODAL"}

    def exit(self, context: bpy.types.Context, cancel: bool) -> None:
        """Let go; cancelled: back to where it was."""
        if cancel:
            compare_view.state().wipe = self.before


class SELFRECT_GGT_wipe(bpy.types.GizmoGroup):
    """Where a wipe is shown"""

    bl_idname = "SELFRECT_GGT_wipe"
    bl_label = "Wipe"
    bl_space_type = "IMAGE_EDITOR"
    bl_region_type = "WINDOW"
    bl_options = {"PERSISTENT", "SHOW_MODAL_ALL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only over a wipe."""
        return compare_view.state().mode == "WIPE" and compare_view.pictures(context.space_data) is not None

    def setup(self, context: bpy.types.Context) -> None:
        """One gizmo."""
        gizmo = self.gizmos.new(SELFRECT_GT_wipe.bl_idname)
        gizmo.color, gizmo.color_highlight = (0.8, 0.8, 0.8), (1, 1, 1)
        gizmo.use_draw_modal = True


register, unregister = bpy.utils.register_classes_factory((SELFRECT_GT_wipe, SELFRECT_GGT_wipe))
