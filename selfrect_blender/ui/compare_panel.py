# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""The sub-panel "Compare": the result against its target or reference, and repeated."""

from __future__ import annotations

import bpy

from ..scene import compare
from . import compare_view, places
from .text import draw_text
from .translations import say

_ICONS = {"SIDE": "SPLIT_VERTICAL", "WIPE": "ARROW_LEFTRIGHT", "DIFFERENCE": "SELECT_DIFFERENCE"}


class _Compare:
    """The result against what it was made of"""

    bl_label = "Compare"
    bl_order = places.COMPARE
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Two columns of one choice each, and what belongs to the mode that is on."""
        layout, now = self.layout, compare_view.state()
        reason = no_result(context)
        draw_text(context, layout, reason, icon="INFO")
        column = layout.column()
        column.enabled = not reason
        for against, _, _ in compare.AGAINST:
            _draw_modes(column, now, against)
        if now.mode == "WIPE":
            column.prop(now, "wipe", slider=True)
        elif now.mode == "DIFFERENCE":
            column.prop(now, "gain")
        if now.mode != "OFF" and now.tile:
            column.label(text=say("Tile {number}", number=now.tile), translate=False)
        if now.mode != "OFF":
            column.operator("selfrect.compare_end", icon="X")
        space = context.space_data
        repeats = bool(space and space.type == "IMAGE_EDITOR" and space.show_repeat)
        layout.operator("selfrect.repeat_view", icon="MESH_GRID", depress=repeats)


def no_result(context: bpy.types.Context) -> str:
    """Why there is nothing to compare."""
    return "" if context.scene.selfrect.result else say("There is no result yet.")


def _draw_modes(layout: bpy.types.UILayout, now: compare_view.SelfrectCompare, against: str) -> None:
    """One row for the target, one for the reference; the button of what is on is pressed."""
    title = next(title for key, title, _ in compare.AGAINST if key == against)
    row = layout.row(align=True)
    row.label(text=title)
    for mode, _, _ in compare_view.MODES:
        pressed = (now.mode, now.against) == (mode, against)
        button = row.operator("selfrect.compare", text="", icon=_ICONS[mode], depress=pressed)
        button.mode, button.against = mode, against


PANELS = places.sidebar_panels(_Compare, "compare", parent=True)
register, unregister = bpy.utils.register_classes_factory(PANELS)
