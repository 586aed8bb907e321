# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""The sub-panel "Material": the reference that the material offers, and the result that it is given."""

from __future__ import annotations

import bpy

from ..scene import materials, reference, reverts
from . import places, reasons
from .text import draw_text
from .translations import mark, say

_FROM = {
    "NODE": mark("Reference: from node “{name}”"),
    "SLOT": mark("Reference: from paint slot “{name}”"),
    "MATERIAL": mark("Reference: from material “{name}”"),
}


class _Material:
    """What the material gives, and what it gets"""

    bl_label = "Material"
    bl_order = places.MATERIAL
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Reference, apply, revert."""
        layout = self.layout
        _draw_reference(context, layout)
        reason = reasons.apply(context)
        column = layout.column(align=True)
        column.enabled = not reason
        for text, icon, to, how in (
            (mark("Apply to Material"), "MATERIAL", "ACTIVE", "SWAP"),
            (mark("As New Paint Slot"), "BRUSH_DATA", "ACTIVE", "SLOT"),
            (mark("Apply to Selected"), "OBJECT_DATA", "SELECTED", "SWAP"),
        ):
            button = column.operator("selfrect.apply_to_material", text=text, icon=icon)
            button.to, button.how = to, how
        draw_text(context, layout, reason, icon="INFO")
        row = layout.row()
        reason = nothing_to_revert(context)
        row.enabled = not reason
        row.operator("selfrect.revert_material", icon="LOOP_BACK").to = "ACTIVE"
        draw_text(context, layout, reason, icon="INFO")


def nothing_to_revert(context: bpy.types.Context) -> str:
    """Why the active material cannot be reverted."""
    material = materials.active(context)
    if material is None:
        return say("There is no active material.")
    return "" if reverts.is_kept(material) else say("Nothing was applied to “{name}”.", name=material.name)


def _draw_reference(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    """What would be taken, and a button unless it is taken already."""
    found = reference.find(context)
    if found.image is None:
        draw_text(context, layout, found.reason, icon="INFO")
        return
    draw_text(context, layout, say(_FROM[found.kind], name=found.name), icon="IMAGE_DATA")
    if context.scene.selfrect.reference != found.image:
        text = say("Take “{name}”", name=found.image.name)
        layout.operator("selfrect.reference_from_material", text=text, translate=False, icon="EYEDROPPER")


PANELS = places.sidebar_panels(_Material, "material", parent=True)
register, unregister = bpy.utils.register_classes_factory(PANELS)
