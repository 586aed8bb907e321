# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""Between pictures and materials: apply a result, take it back, find the reference."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ..host.engine_source import problems
from ..scene import images, materials, reference, reverts
from .operators import tells_problems
from .translations import say

_TO = (
    ("ACTIVE", "Active Material", "The one in the Shader Editor, else of the active object"),
    ("SELECTED", "Selected Objects", "The active material of each selected object, shared ones once"),
)


class _OfMaterial:
    """Properties that say which materials."""

    bl_options = {"REGISTER", "UNDO"}

    to: EnumProperty(name="To", description="Which materials", items=_TO)
    material: StringProperty(name="Material", description="A name, instead of what is active or selected", options={"SKIP_SAVE"})


class SELFRECT_OT_apply_to_material(_OfMaterial, bpy.types.Operator):
    """Make the result the base colour of the material and plug its maps in; mapping and UV map stay"""

    bl_idname = "selfrect.apply_to_material"
    bl_label = "Apply to Material"

    image: StringProperty(name="Image", description="An image's name; empty: the panel's result", options={"SKIP_SAVE"})
    how: EnumProperty(name="How", description="Where the result goes", items=materials.HOW)
    single_user: BoolProperty(
        name="Own Groups", description="Where the texture is in a node group that other materials use too, change a copy of it"
    )

    @tells_problems
    def execute(self, context):
        """Find image and materials, apply, tell what was done and what was not."""
        choices = context.scene.selfrect
        image = images.by_name(self.image, "result") if self.image else choices.result
        if image is None:
            raise problems.Problem("bad_input", "There is no result yet.", "Press Rectify first, or name an image.")
        options = {"how": self.how, "single_user": self.single_user}
        done, refused = materials.apply_to_all(self._materials(context), image, choices.reference, **options)
        sentence = done[0].sentence
        if len(done) > 1:
            names = ", ".join(f"“{applied.material}”" for applied in done)
            sentence = say("“{image}” is the base colour of {names}.", image=image.name, names=names)
        self.report({"WARNING" if refused else "INFO"}, " ".join([sentence, *map(str, refused)]))
        return {"FINISHED"}

    def _materials(self, context: bpy.types.Context) -> list[bpy.types.Material]:
        if self.material:
            return [materials.by_name(self.material)]
        return materials.of_selected(context) if self.to == "SELECTED" else [materials.find_or_make(context)]


class SELFRECT_OT_revert_material(_OfMaterial, bpy.types.Operator):
    """Give the material back what it had before a result was applied"""

    bl_idname = "selfrect.revert_material"
    bl_label = "Revert Material"

    @tells_problems
    def execute(self, context):
        """Revert, and tell what could not be found again."""
        chosen = self._materials(context)
        if not chosen:
            raise problems.Problem("bad_input", "There is no material to revert.", "Choose one to which a result was applied.")
        gone = [name for material in chosen for name in reverts.revert(material)]
        if gone:
            self.report({"WARNING"}, say("Nodes that were renamed or deleted stay as they are: {names}.", names=", ".join(gone)))
        return {"FINISHED"}

    def _materials(self, context: bpy.types.Context) -> list[bpy.types.Material]:
        if self.material:
            return [materials.by_name(self.material)]
        if self.to == "ACTIVE":
            return [material for material in [materials.active(context)] if material]
        found = {thing.active_material for thing in context.selected_objects if reverts.is_kept(thing.active_material)}
        return sorted(found, key=lambda material: material.name)


class SELFRECT_OT_reference_from_material(bpy.types.Operator):
    """Take the image of the active node, paint slot or material as the reference"""

    bl_idname = "selfrect.reference_from_material"
    bl_label = "Reference from Material"
    bl_options = {"REGISTER", "UNDO"}

    material: StringProperty(name="Material", description="A name; empty: what is active", options={"SKIP_SAVE"})

    @tells_problems
    def execute(self, context):
        """Find it, choose it."""
        if self.material:
            image = reference.of_material(materials.by_name(self.material))
            reason = f"No image gives the material “{self.material}” its colour."
        else:
            found = reference.find(context)
            image, reason = found.image, found.reason
        if image is None:
            raise problems.Problem("bad_input", reason, "Choose an image as the reference.")
        context.scene.selfrect.reference = image
        self.report({"INFO"}, say("“{name}” is the reference.", name=image.name))
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (SELFRECT_OT_apply_to_material, SELFRECT_OT_revert_material, SELFRECT_OT_reference_from_material)
)
