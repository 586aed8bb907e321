# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""The sub-panel "Maps": what follows the base colour, one tick for each image, and what came of it."""

from __future__ import annotations

import bpy

from ..scene import maps, materials
from . import engine_settings, places, reasons
from .text import draw_text
from .translations import say

#: settings of the engine that are about maps and full-size pixels; they stand here and not under Advanced
SETTINGS = ("true_pixels", "estimate")


class _Maps:
    """The material's other maps, which follow the base colour"""

    bl_label = "Maps"
    bl_order = places.MAPS
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header(self, context: bpy.types.Context) -> None:
        """On or off at once."""
        self.layout.prop(context.scene.selfrect, "with_maps", text="")

    def draw(self, context: bpy.types.Context) -> None:
        """What is found, what else can be had, what was made."""
        layout, choices = self.layout, context.scene.selfrect
        layout.use_property_decorate = False
        reference = reasons.reference(context)
        found = materials.maps_under(context, reference)
        column = layout.column(align=True)
        column.active = choices.with_maps
        for each in found:
            _draw_map(context, column, each)
        draw_text(context, layout, "" if found else _none_found(reference), icon="INFO")
        declared = {setting["name"] for setting in engine_settings.current()}
        for name in (name for name in SETTINGS if name in declared):
            if name == "estimate":  # its title is too long for a sidebar
                layout.prop(context.scene.selfrect_settings, name, text="Estimate")
            else:
                layout.prop(context.scene.selfrect_settings, name)
        if choices.result:
            _draw_made(layout, [item for item in choices.result.selfrect.maps if item.image])


def title(name: str) -> str:
    """As it is read: "coat_roughness" → "Coat Roughness". Blender knows many of these words in other languages."""
    return bpy.app.translations.pgettext_iface(name.replace("_", " ").title() if name != "orm" else "ORM")


def _draw_map(context: bpy.types.Context, layout: bpy.types.UILayout, each: maps.Map) -> None:
    row = layout.row()
    row.enabled = not each.reason
    row.prop(each.image.selfrect, "follows", text=title(each.name), translate=False)
    row.label(text=each.image.name, translate=False)
    draw_text(context, layout, each.reason, icon="INFO")


def _none_found(reference: bpy.types.Image | None) -> str:
    """Why there is nothing to tick."""
    if reference is None:
        return say("No reference is chosen.")
    return say("No material has maps over “{image}”.", image=reference.name)


def _draw_made(layout: bpy.types.UILayout, made: list[bpy.types.PropertyGroup]) -> None:
    """The result's own maps, each with a button that shows it."""
    layout.label(text="Result")
    column = layout.column(align=True)
    for item in made:
        row = column.row()
        text = title(item.name) if item.source else say("{map}, estimated", map=title(item.name))
        row.label(text=text, icon="IMAGE_DATA", translate=False)
        row.operator("selfrect.show_image", text="", icon="HIDE_OFF").image = item.image.name
    layout.operator("selfrect.save_result", icon="FILE_FOLDER")


PANELS = places.sidebar_panels(_Maps, "maps", parent=True)
register, unregister = bpy.utils.register_classes_factory(PANELS)
