# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""Where the picture may change: New Mask, for the result or for the region of a reference, and Heal."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from ..host.engine_source import problems
from ..scene import masks
from . import reasons
from .operators import Ordering, image_of, tells_problems
from .translations import say

_MASK = -1  # of `region_of`


class SELFRECT_OT_new_mask(bpy.types.Operator):
    """Make an image that is white where the target may change, or where a reference counts"""

    bl_idname = "selfrect.new_mask"
    bl_label = "New Mask"
    bl_options = {"REGISTER", "UNDO"}

    source: EnumProperty(name="Contents", items=masks.SOURCES)
    target: StringProperty(name="Target", description="An image's name; empty: the panel's", options={"SKIP_SAVE"})
    drawn: StringProperty(name="Drawn Mask", description="Its name; empty: the one that the Image Editor shows", options={"SKIP_SAVE"})
    margin: IntProperty(name="Margin", description="Pixels by which it is made larger", min=0, max=512)
    softness: FloatProperty(name="Softness", description="Pixels over which its edge fades, inwards", min=0, max=512)
    invert: BoolProperty(name="Invert", description="White becomes black")
    region_of: IntProperty(
        name="Region of",
        description="The reference that gets it as its region: 0 is the first; −1: it becomes the mask",
        default=_MASK,
        min=_MASK,
        options={"SKIP_SAVE"},
    )

    @tells_problems
    def execute(self, context):
        """Make it, choose it, show it in the image editor at hand."""
        choices = context.scene.selfrect
        target = image_of(self.target, choices.target, "target")
        what = "mask" if self.region_of == _MASK else "region"
        image = masks.new(target, self.source, masks.Shape(self.margin, self.softness, self.invert, self.drawn), context, what)
        self._choose(choices, image)
        space = context.space_data
        if space and space.type == "IMAGE_EDITOR":
            space.image = image
            if self.source == "PAINT" and not bpy.app.background:
                space.mode = "PAINT"
        self.report({"INFO"}, say("“{name}” says where.", name=image.name))
        return {"FINISHED"}

    def _choose(self, choices: bpy.types.PropertyGroup, image: bpy.types.Image) -> None:
        if self.region_of == _MASK:
            choices.mask = image
        elif self.region_of == 0:
            choices.reference_region = image
        elif self.region_of <= len(choices.references):
            choices.references[self.region_of - 1].region = image
        else:
            bpy.data.images.remove(image)
            raise problems.Problem("bad_input", f"There is no reference number {self.region_of}.", "The first is 0.")

    def draw(self, _context):
        """What the contents leave open."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "source")
        if self.source != "PAINT":
            layout.prop(self, "margin")
            layout.prop(self, "softness")
        layout.prop(self, "invert")


class SELFRECT_OT_heal(Ordering, bpy.types.Operator):
    """Fill the hole in a texture from the rest of it: what the mask covers, or what is transparent where no mask is chosen"""

    bl_idname = "selfrect.heal"
    bl_label = "Heal"
    bl_options = {"REGISTER"}  # the result pushes its own undo step when it lands

    image: StringProperty(name="Image", description="Its name; empty: the target, else the reference")

    @tells_problems
    def execute(self, context):
        """Order it; in background mode make it."""
        image = image_of(self.image, context.scene.selfrect.target or reasons.reference(context), "target")
        if image is None:
            raise problems.Problem("bad_input", "No image is chosen.", "Choose the texture with the hole as the target.")
        return self.carry_out(self.orders(context, heals=image))


register, unregister = bpy.utils.register_classes_factory((SELFRECT_OT_new_mask, SELFRECT_OT_heal))
