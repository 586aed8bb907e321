# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""The sub-panel "Region": the mask that says where the target may change, and Heal."""

from __future__ import annotations

import bpy

from . import places, reasons
from .panels import draw_button, draw_image


class _Region:
    """Where the target may change"""

    bl_label = "Region"
    bl_order = places.REGION
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """The mask, and what is done with a hole."""
        layout, choices = self.layout, context.scene.selfrect
        draw_image(layout, choices, "mask", "Mask")
        row = layout.row()
        row.enabled = not reasons.new_mask(context)
        row.operator_menu_enum("selfrect.new_mask", "source", text="New Mask", icon="ADD")
        draw_button(context, layout, "selfrect.heal", "BRUSH_DATA", reasons.heal(context))


PANELS = places.sidebar_panels(_Region, "region", parent=True)
register, unregister = bpy.utils.register_classes_factory(PANELS)
