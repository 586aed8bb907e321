# SPDX-License-Identifier: GPL-3.0-or-later
"""The root panel of the tab "Rectify", one for each editor. What belongs to other steps of the work are sub-panels of it."""

from __future__ import annotations

import bpy

from . import places, progress, reasons, setup_panel
from .text import draw_text
from .translations import say


class _RectifyPanel:
    """From the reference to the result"""

    bl_label = "Rectify"

    def draw(self, context: bpy.types.Context) -> None:
        """From top to bottom in the order of the work."""
        layout, choices = self.layout, context.scene.selfrect
        setup_panel.draw_state(layout, context)
        draw_image(layout, choices, "reference", "Reference")
        found = None if choices.reference else reasons.reference(context)
        if found:
            layout.label(text=say("From the material: {name}", name=found.name), icon="MATERIAL", translate=False)
        draw_image(layout, choices, "target", "Target")
        row = layout.row()
        row.enabled = not reasons.new_target(context)  # the line beneath Rectify tells the same
        row.operator_menu_enum("selfrect.new_target", "mode", text="New Target", icon="ADD")
        draw_button(context, layout, "selfrect.rectify", "SHADERFX", reasons.rectify(context))
        progress.draw_plan(context, layout)
        progress.draw(context, layout)
        if choices.result:
            layout.separator()
            draw_image(layout, choices, "result", "Result")
            draw_button(context, layout, "selfrect.apply_to_material", "MATERIAL", reasons.apply(context))


def draw_image(layout: bpy.types.UILayout, choices: bpy.types.PropertyGroup, name: str, title: str) -> None:
    """A line to choose an image, and a button that shows it in the editor."""
    layout.label(text=title)
    row = layout.row(align=True)
    row.template_ID(choices, name, live_icon=True, **({} if name == "result" else {"open": "image.open"}))
    image = getattr(choices, name)
    if image:
        row.operator("selfrect.show_image", text="", icon="HIDE_OFF").image = image.name


def draw_button(context: bpy.types.Context, layout: bpy.types.UILayout, operator: str, icon: str, reason: str) -> None:
    """A large button; where it is not available, the reason stands beneath it."""
    row = layout.row()
    row.scale_y = 1.5
    row.enabled = not reason
    row.operator(operator, icon=icon)
    draw_text(context, layout, reason, icon="INFO")


SELFRECT_PT_image, SELFRECT_PT_shader, SELFRECT_PT_view3d = PANELS = places.sidebar_panels(_RectifyPanel, "")
register, unregister = bpy.utils.register_classes_factory(PANELS)
