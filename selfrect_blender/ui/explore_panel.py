# SPDX-License-Identifier: GPL-3.0-or-later
"""The sub-panel "Explore", and the labels on the sheet in the Image Editor."""

from __future__ import annotations

import blf
import bpy

from .. import explore
from ..host.variations import Variation
from . import places, reasons
from .text import draw_text
from .translations import say

_handler = None


class _Explore:
    """Variations on one sheet, to choose from"""

    bl_label = "Explore"
    bl_order = places.EXPLORE
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - a set by Blender's own rules

    def draw(self, context: bpy.types.Context) -> None:
        """What to vary, the button, and one small button for each variation where it stands on the sheet."""
        layout, choices = self.layout, context.scene.selfrect
        column = layout.column(align=True)
        column.prop(choices, "explore_by", text="")
        row = column.row(align=True)
        row.prop(choices, "explore_rows")
        row.prop(choices, "explore_columns")
        reason = reasons.rectify(context)
        row = layout.row()
        row.enabled = not reason
        row.operator("selfrect.explore", icon="IMGDISPLAY")
        draw_text(context, layout, reason, icon="INFO")
        if explore.latest():
            _draw_sheet(layout, explore.latest())


def _draw_sheet(layout: bpy.types.UILayout, exploration: explore.Exploration) -> None:
    row = layout.row()
    row.label(text=_state(exploration), translate=False)
    row.operator("selfrect.explore_show", text="", icon="HIDE_OFF")
    grid = layout.grid_flow(row_major=True, columns=exploration.columns, even_columns=True, even_rows=True, align=True)
    for variation in exploration.variations:
        cell = grid.row(align=True)
        cell.enabled = (variation.row, variation.column) in exploration.done  # the line above says how many are
        button = cell.operator("selfrect.explore_keep", text=short(variation), translate=False)
        button.row, button.column = variation.row, variation.column


def _state(exploration: explore.Exploration) -> str:
    done, count = len(exploration.done), len(exploration.variations)
    if done < count and not exploration.finished:
        return say("{done} of {count} done", done=done, count=count)
    return say("Click one to keep it") if done else say("None was finished")


def short(variation: Variation) -> str:
    """For a small button."""
    if variation.seed is not None:
        return str(variation.seed)
    return " · ".join(f"{value:.2f}".lstrip("0") if value < 1 else f"{value:g}" for value in variation.sliders.values())


def label(variation: Variation) -> str:
    """For the sheet."""
    if variation.seed is not None:
        return say("Seed {number}", number=variation.seed)
    return say("Structure {structure:.2f} · Detail {detail:.2f}", **variation.sliders)


def _draw_labels() -> None:
    """Over the sheet, in the editor's own pixels: readable at each zoom. Reads no pixels."""
    context = bpy.context
    exploration = explore.sheet_of(context.space_data.image)
    if exploration is None:
        return
    scale = context.preferences.system.ui_scale
    blf.size(0, 11 * scale)
    blf.enable(0, blf.SHADOW)
    blf.shadow(0, 3, 0, 0, 0, 0.9)
    width, height = exploration.sheet.size
    for variation in exploration.variations:
        x, y = exploration.sheet.corner(variation.row, variation.column)
        left, bottom = context.region.view2d.view_to_region(x / width, y / height, clip=False)
        right, _ = context.region.view2d.view_to_region((x + exploration.sheet.cell[0]) / width, y / height, clip=False)
        words = label(variation)
        if blf.dimensions(0, words)[0] > right - left - 8 * scale:
            words = short(variation)
        here = (variation.row, variation.column) in exploration.done
        blf.color(0, 1, 1, 1, 1 if here else 0.5)
        blf.position(0, left + 5 * scale, bottom + 5 * scale, 0)
        blf.draw(0, words)
    blf.disable(0, blf.SHADOW)


_register, _unregister = bpy.utils.register_classes_factory(places.sidebar_panels(_Explore, "explore", parent=True))


def register() -> None:
    """Panels and labels."""
    global _handler
    _register()
    _handler = bpy.types.SpaceImageEditor.draw_handler_add(_draw_labels, (), "WINDOW", "POST_PIXEL")


def unregister() -> None:
    """Take both back."""
    bpy.types.SpaceImageEditor.draw_handler_remove(_handler, "WINDOW")
    _unregister()
