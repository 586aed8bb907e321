# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""New Target, and the edits of the whole target: mirror, turn, push. Scripts call them as the buttons do."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, IntVectorProperty, StringProperty

from ..scene import edits, targets
from . import reasons
from .operators import image_of, tells_problems
from .translations import say


class SELFRECT_OT_new_target(bpy.types.Operator):
    """Make a new image of the reference's kind to edit as the target"""

    bl_idname = "selfrect.new_target"
    bl_label = "New Target"
    bl_options = {"REGISTER", "UNDO"}

    mode: EnumProperty(name="Contents", items=targets.MODES)
    reference: StringProperty(name="Reference", description="An image's name; empty: the panel's", options={"SKIP_SAVE"})
    seed: IntProperty(name="Seed", description="Which shuffle", min=0)
    width: IntProperty(name="Width", description="In pixels; 0: as the contents are", min=0, options={"SKIP_SAVE"})
    height: IntProperty(name="Height", description="In pixels; 0: as the contents are", min=0, options={"SKIP_SAVE"})
    fit: EnumProperty(name="Fit", description="How the reference gets that size", items=targets.FITS)
    columns: IntProperty(name="Columns", description="How often the reference stands side by side", default=2, min=1, max=64)
    rows: IntProperty(name="Rows", description="How often the reference stands above itself", default=2, min=1, max=64)
    margin: IntProperty(name="Margin", description="Pixels by which the UV islands are made larger", default=4, min=0, max=256)

    @tells_problems
    def execute(self, context):
        """Make it, choose it, show it in the image editor at hand."""
        choices = context.scene.selfrect
        layout = targets.Layout(self.width, self.height, self.fit, self.columns, self.rows, self.margin)
        reference = image_of(self.reference, reasons.reference(context), "reference")
        target = targets.new_target(reference, self.mode, self.seed, layout, context)
        if self.mode == "SLOT" and choices.reference is None:
            choices.reference = targets.paint_slot(context)
        choices.target = target
        space = context.space_data
        if space and space.type == "IMAGE_EDITOR":
            space.image = choices.target
        self.report({"INFO"}, say("“{name}” is the target.", name=choices.target.name))
        return {"FINISHED"}

    def draw(self, _context):
        """What the contents leave open."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "mode")
        column = layout.column(align=True)
        if self.mode == "TILED":
            column.prop(self, "columns")
            column.prop(self, "rows")
        elif self.mode == "UV":
            column.prop(self, "margin")
        elif self.mode == "SHUFFLED":
            column.prop(self, "seed")
        column = layout.column(align=True)
        column.prop(self, "width")
        column.prop(self, "height")
        if (self.width or self.height) and self.mode in {"COPY", "SLOT", "TILED"}:
            layout.prop(self, "fit")


class Editing:
    """What the operators that change the target share. Blender's own flag for undo is not among the options:

    in a paint mode it would push a step that holds nothing of ours; `scene.edit_undo` pushes the right one.
    """

    bl_options = {"REGISTER"}

    __annotations__ = {"target": StringProperty(name="Target", description="An image's name; empty: the panel's", options={"SKIP_SAVE"})}

    def the_target(self, context: bpy.types.Context) -> bpy.types.Image:
        """The image to change. Raises Problem bad_input."""
        return image_of(self.target, context.scene.selfrect.target, "target")


class SELFRECT_OT_transform_target(Editing, bpy.types.Operator):
    """Mirror, turn or push the whole target"""

    bl_idname = "selfrect.transform_target"
    bl_label = "Transform Target"

    __annotations__ = {
        **Editing.__annotations__,
        "mirror_x": BoolProperty(name="Mirror X", description="Left and right change places", options={"SKIP_SAVE"}),
        "mirror_y": BoolProperty(name="Mirror Y", description="Top and bottom change places", options={"SKIP_SAVE"}),
        "angle": FloatProperty(
            name="Angle", description="Counter-clockwise; quarter turns lose no pixel", subtype="ANGLE", options={"SKIP_SAVE"}
        ),
        "offset": IntVectorProperty(
            name="Offset",
            description="Pixels to the right and upwards; what leaves comes back on the other side",
            size=2,
            options={"SKIP_SAVE"},
        ),
        "wrap": BoolProperty(name="Wrap Around", description="A turn brings in the target again instead of nothing", options={"SKIP_SAVE"}),
    }

    @tells_problems
    def execute(self, context):
        """Do all that is asked for in one step."""
        edits.transform(self.the_target(context), self.mirror_x, self.mirror_y, self.angle, tuple(self.offset), self.wrap)
        return {"FINISHED"}


class SELFRECT_OT_turn_target(Editing, bpy.types.Operator):
    """Turn the whole target by an angle that you type, or push it by pixels"""

    bl_idname = "selfrect.turn_target"
    bl_label = "Turn and Push Target"

    __annotations__ = {
        **Editing.__annotations__,
        "angle": FloatProperty(name="Angle", description="Counter-clockwise", subtype="ANGLE"),
        "offset": IntVectorProperty(
            name="Offset", description="Pixels to the right and upwards; what leaves comes back", size=2, subtype="XYZ"
        ),
    }

    def invoke(self, context, _event):
        """Ask for the numbers."""
        return context.window_manager.invoke_props_dialog(self)

    @tells_problems
    def execute(self, context):
        """Turn, then push."""
        edits.transform(self.the_target(context), angle=self.angle, offset=tuple(self.offset), wrap=context.scene.selfrect_edit.wrap)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((SELFRECT_OT_new_target, SELFRECT_OT_transform_target, SELFRECT_OT_turn_target))
