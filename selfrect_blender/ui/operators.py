# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""The operators: read the context, call, report. Scripts call them with names: `bpy.ops.selfrect.rectify(reference="bark")`.

A Problem becomes a report of type ERROR, which in scripts and in background mode is a RuntimeError with its sentence.
"""

from __future__ import annotations

import functools

import bpy
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from .. import main_thread
from .. import rectify as job
from ..host.engine_source import problems
from ..scene import images, materials, targets
from . import engine_settings

_CHOICES = ("model", "device", "dtype", "seed")


def _tells_problems(execute):
    """An `execute` that may raise Problem: the artist reads it, the operator is cancelled."""

    @functools.wraps(execute)
    def wrapped(self, context):
        try:
            return execute(self, context)
        except problems.Problem as problem:
            self.report({"ERROR"}, str(problem))
            return {"CANCELLED"}

    return wrapped


def _image(name: str, chosen: bpy.types.Image | None, what: str) -> bpy.types.Image | None:
    return images.by_name(name, what) if name else chosen


class SELFRECT_OT_new_target(bpy.types.Operator):
    """Make a new image of the reference's size to edit as the target"""

    bl_idname = "selfrect.new_target"
    bl_label = "New Target"
    bl_options = {"REGISTER", "UNDO"}

    mode: EnumProperty(name="Contents", items=targets.MODES)
    reference: StringProperty(name="Reference", description="An image's name; empty: the panel's", options={"SKIP_SAVE"})
    seed: IntProperty(name="Seed", description="Which shuffle", min=0)

    @_tells_problems
    def execute(self, context):
        """Make it, choose it, show it in the image editor at hand."""
        choices = context.scene.selfrect
        choices.target = targets.new_target(_image(self.reference, choices.reference, "reference"), self.mode, self.seed)
        space = context.space_data
        if space and space.type == "IMAGE_EDITOR":
            space.image = choices.target
        self.report({"INFO"}, f"“{choices.target.name}” is the target.")
        return {"FINISHED"}


class SELFRECT_OT_rectify(bpy.types.Operator):
    """Turn the rough target into a coherent texture that looks like the reference"""

    bl_idname = "selfrect.rectify"
    bl_label = "Rectify"
    bl_options = {"REGISTER"}  # the result pushes its own undo step when it lands

    __annotations__ = {
        "reference": StringProperty(name="Reference", description="An image's name; empty: the panel's"),
        "target": StringProperty(name="Target", description="An image's name; empty: the panel's"),
        "model": StringProperty(name="Model", description="A name or path; empty: the panel's"),
        "device": StringProperty(name="Device", description="Empty: the panel's"),
        "dtype": StringProperty(name="Precision", description="Empty: the panel's"),
        "seed": IntProperty(name="Seed", min=0),
        "wait": BoolProperty(name="Wait", description="Return when the result is there; always so in background mode"),
        **engine_settings.properties(engine_settings.shipped()),
    }

    @_tells_problems
    def execute(self, context):
        """Order it; in background mode make it."""
        order = self._order(context)
        if not (self.wait or bpy.app.background):
            main_thread.start(order)
            return {"FINISHED"}
        image, _ = job.make(main_thread.queue(), order)
        self.report({"INFO"}, f"“{image.name}” is the result.")
        return {"FINISHED"}

    def _order(self, context: bpy.types.Context) -> job.Order:
        """The panel's choices, save what the caller gave as arguments."""
        choices, given = context.scene.selfrect, self.properties.is_property_set
        settings = engine_settings.values(context.scene)
        settings.update({name: getattr(self, name) for name in settings if hasattr(self, name) and given(name)})
        return job.order(
            context.scene,
            _image(self.reference, choices.reference, "reference"),
            _image(self.target, choices.target, "target"),
            settings=settings,
            **{name: getattr(self if given(name) else choices, name) for name in _CHOICES},
        )


class SELFRECT_OT_cancel(bpy.types.Operator):
    """Stop the rectification that is running"""

    bl_idname = "selfrect.cancel"
    bl_label = "Cancel"

    def execute(self, context):
        """Ask for it; the panel shows when it has happened."""
        work = main_thread.working()
        if work is None:
            self.report({"INFO"}, "Nothing is running.")
            return {"CANCELLED"}
        work.cancel()
        return {"FINISHED"}


class SELFRECT_OT_apply_to_material(bpy.types.Operator):
    """Make the result the base colour of the material; its mapping and UV map stay"""

    bl_idname = "selfrect.apply_to_material"
    bl_label = "Apply to Material"
    bl_options = {"REGISTER", "UNDO"}

    image: StringProperty(name="Image", description="An image's name; empty: the panel's result", options={"SKIP_SAVE"})
    material: StringProperty(name="Material", description="Empty: the one in the editor or of the active object", options={"SKIP_SAVE"})

    @_tells_problems
    def execute(self, context):
        """Find image and material, apply."""
        choices = context.scene.selfrect
        image = _image(self.image, choices.result, "result")
        if image is None:
            raise problems.Problem("bad_input", "There is no result yet.", "Press Rectify first, or name an image.")
        material = materials.by_name(self.material) if self.material else materials.find_or_make(context)
        applied = materials.apply(material, image, choices.reference)
        self.report({"INFO"}, applied.sentence)
        return {"FINISHED"}


class SELFRECT_OT_show_image(bpy.types.Operator):
    """Show this image in the image editor"""

    bl_idname = "selfrect.show_image"
    bl_label = "Show"
    bl_options = {"INTERNAL"}

    image: StringProperty(options={"SKIP_SAVE"})

    @_tells_problems
    def execute(self, context):
        """Show it here, or in the first image editor of this window."""
        image = images.by_name(self.image, "editor")
        areas = [context.area, *context.screen.areas] if context.area else context.screen.areas
        space = next((area.spaces.active for area in areas if area.type == "IMAGE_EDITOR"), None)
        if space is None:
            raise problems.Problem("bad_input", "No image editor is open.", "Open one and press the button again.")
        space.image = image
        return {"FINISHED"}


class SELFRECT_OT_copy_details(bpy.types.Operator):
    """Copy the whole message, with the engine's last words, to the clipboard"""

    bl_idname = "selfrect.copy_details"
    bl_label = "Copy Details"

    def execute(self, context):
        """Copy the latest problem."""
        work = main_thread.latest()
        if work is None or work.problem is None:
            return {"CANCELLED"}
        context.window_manager.clipboard = f"{work.problem.code}: {work.problem}\n{work.problem.detail}"
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (
        SELFRECT_OT_new_target,
        SELFRECT_OT_rectify,
        SELFRECT_OT_cancel,
        SELFRECT_OT_apply_to_material,
        SELFRECT_OT_show_image,
        SELFRECT_OT_copy_details,
    )
)
