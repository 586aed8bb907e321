# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""The sub-panel "Further References": more textures that the result should look like, each with a weight and a region."""

from __future__ import annotations

import bpy
from bpy.props import IntProperty, StringProperty

from ..host.engine_source import problems
from ..scene import images
from . import engine_settings, places
from .operators import image_of, tells_problems
from .translations import say

#: settings of the engine that make more of each reference; they stand here and not under Advanced
SETTINGS = ("turns", "angles", "flips", "scales", "augment")


class SELFRECT_OT_reference_add(bpy.types.Operator):
    """Use one more image as reference: the one that the Image Editor shows, unless it is in use already"""

    bl_idname = "selfrect.reference_add"
    bl_label = "Add Reference"
    bl_options = {"REGISTER", "UNDO"}

    image: StringProperty(name="Image", description="Its name; empty: the one that the Image Editor shows", options={"SKIP_SAVE"})

    @tells_problems
    def execute(self, context):
        """Add it to the list; an empty entry where there is nothing to take."""
        choices, space = context.scene.selfrect, context.space_data
        shown = space.image if space and space.type == "IMAGE_EDITOR" else None
        used = {choices.reference, choices.target, choices.mask, *(item.image for item in choices.references)}
        image = image_of(self.image, None if shown in used else shown, "reference")
        if image:
            images.check(image, "reference", load=False)
        choices.references.add().image = image
        choices.reference_index = len(choices.references) - 1
        return {"FINISHED"}


class SELFRECT_OT_reference_remove(bpy.types.Operator):
    """Use this reference no more; its image stays"""

    bl_idname = "selfrect.reference_remove"
    bl_label = "Remove Reference"
    bl_options = {"REGISTER", "UNDO"}

    index: IntProperty(name="Place", description="In the list; −1: the one that is chosen there", default=-1, options={"SKIP_SAVE"})

    @tells_problems
    def execute(self, context):
        """Take it out of the list."""
        choices = context.scene.selfrect
        index = self.index if self.index >= 0 else choices.reference_index
        if not 0 <= index < len(choices.references):
            raise problems.Problem("bad_input", "There is no such reference in the list.", "Choose one in the list.")
        choices.references.remove(index)
        choices.reference_index = max(min(choices.reference_index, len(choices.references) - 1), 0)
        return {"FINISHED"}


class SELFRECT_UL_references(bpy.types.UIList):
    """One reference in a row"""

    def draw_item(self, _context, layout, _data, item, _icon, _active_data, _active_property):
        """Its image and its weight."""
        row = layout.row(align=True)
        row.prop(item, "image", text="")
        row.prop(item, "weight", text="")
        row.label(text="", icon="CLIPUV_DEHLT" if item.region else "BLANK1")


class _References:
    """More textures that the result should look like"""

    bl_label = "Further References"
    bl_order = places.REFERENCES
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """The list; what the first reference has beside the others; the region of the one that is chosen."""
        layout, choices = self.layout, context.scene.selfrect
        layout.use_property_decorate = False
        row = layout.row()
        row.template_list("SELFRECT_UL_references", "", choices, "references", choices, "reference_index", rows=2)
        column = row.column(align=True)
        column.operator("selfrect.reference_add", text="", icon="ADD")
        column.operator("selfrect.reference_remove", text="", icon="REMOVE")
        if choices.references:
            _draw_shares(layout, choices)
        _draw_copies(layout, context.scene)


def _draw_shares(layout: bpy.types.UILayout, choices: bpy.types.PropertyGroup) -> None:
    """Where the chosen reference counts, and what the first one has beside the others."""
    if 0 <= choices.reference_index < len(choices.references):
        item = choices.references[choices.reference_index]
        name = item.image.name if item.image else ""
        _draw_region(layout, item, "region", choices.reference_index + 1, say("Region of “{name}”", name=name))
    layout.prop(choices, "reference_weight", text="Weight of the First")
    _draw_region(layout, choices, "reference_region", 0, say("Region of the First"))


def _draw_copies(layout: bpy.types.UILayout, scene: bpy.types.Scene) -> None:
    """Closed at first: turned, mirrored and scaled copies of each reference, for targets with pieces that are so."""
    declared = {setting["name"]: setting for setting in engine_settings.current() if setting["name"] in SETTINGS}
    if not declared:
        return
    header, body = layout.panel("selfrect_copies", default_closed=True)
    header.label(text="Copies of References")
    if body is None:
        return
    for name in (name for name in SETTINGS if name in declared):
        if declared[name]["kind"] == "enum":  # its name and its choices do not fit into one line
            title = bpy.app.translations.pgettext_iface(declared[name]["title"])
            body.label(text=title, translate=False)
            body.row().prop(scene.selfrect_settings, name, expand=True)
        else:
            body.prop(scene.selfrect_settings, name)


def _draw_region(layout: bpy.types.UILayout, owner: bpy.types.PropertyGroup, name: str, number: int, title: str) -> None:
    layout.label(text=title, translate=False)
    row = layout.row(align=True)
    row.prop(owner, name, text="")
    row.operator_menu_enum("selfrect.new_mask", "source", text="", icon="ADD").region_of = number
    image = getattr(owner, name)
    if image:
        row.operator("selfrect.show_image", text="", icon="HIDE_OFF").image = image.name


PANELS = places.sidebar_panels(_References, "references", parent=True)
register, unregister = bpy.utils.register_classes_factory(
    (SELFRECT_OT_reference_add, SELFRECT_OT_reference_remove, SELFRECT_UL_references, *PANELS)
)
