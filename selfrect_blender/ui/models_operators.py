# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""The operators for models. In background mode they wait: `bpy.ops.selfrect.model_download(name="sd-1.4", accept_licence=True)`."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, StringProperty

from .. import models
from ..host.job import Job
from .operators import tells_problems
from .translations import say

_NAME = {"name": "Model", "description": "Its name in the list", "options": {"SKIP_SAVE"}}


def _finish(operator: bpy.types.Operator, job: Job) -> set[str]:
    if bpy.app.background:
        models.wait(job)
        operator.report({"INFO"}, models.outcome(getattr(operator, "name", "")) or say("Done."))
    return {"FINISHED"}


class SELFRECT_OT_models_refresh(bpy.types.Operator):
    """Ask the engine which models there are; finds those of other programs, too"""

    bl_idname = "selfrect.models_refresh"
    bl_label = "Refresh the Models"

    @tells_problems
    def execute(self, context):
        """Ask."""
        return _finish(self, models.refresh()[0])


class SELFRECT_OT_model_use(bpy.types.Operator):
    """Let this model redraw the target"""

    bl_idname = "selfrect.model_use"
    bl_label = "Use a Model"
    bl_options = {"REGISTER", "UNDO"}

    name: StringProperty(**_NAME)

    def execute(self, context):
        """Choose it."""
        context.scene.selfrect.model = self.name
        return {"FINISHED"}


class SELFRECT_OT_model_licence(bpy.types.Operator):
    """Show the licence and the size before anything is downloaded"""

    bl_idname = "selfrect.model_licence"
    bl_label = "Download a Model…"
    bl_options = {"INTERNAL"}

    name: StringProperty(**_NAME)

    def execute(self, context):
        """Open the question in the panel."""
        context.window_manager.selfrect_setup.licence_of = self.name
        return {"FINISHED"}


class SELFRECT_OT_model_download(bpy.types.Operator):
    """Accept the licence and download the model"""

    bl_idname = "selfrect.model_download"
    bl_label = "Download a Model"
    bl_options = {"REGISTER"}

    name: StringProperty(**_NAME)
    accept_licence: BoolProperty(name="Accept the Licence", description="Nothing is downloaded without", options={"SKIP_SAVE"})

    @tells_problems
    def execute(self, context):
        """Start it."""
        context.window_manager.selfrect_setup.licence_of = ""
        if bpy.app.background and not models.entries():
            models.wait(models.refresh()[0])
        return _finish(self, models.download(self.name, self.accept_licence))


class SELFRECT_OT_model_verify(bpy.types.Operator):
    """Compare every file of the model with what it should be"""

    bl_idname = "selfrect.model_verify"
    bl_label = "Verify a Model"
    bl_options = {"REGISTER"}

    name: StringProperty(**_NAME)

    @tells_problems
    def execute(self, context):
        """Start it."""
        if bpy.app.background and not models.entries():
            models.wait(models.refresh()[0])
        return _finish(self, models.verify(self.name))


class SELFRECT_OT_model_remove(bpy.types.Operator):
    """Delete the model's files"""

    bl_idname = "selfrect.model_remove"
    bl_label = "Remove a Model"
    bl_options = {"REGISTER"}

    name: StringProperty(**_NAME)
    sure: BoolProperty(default=False, options={"SKIP_SAVE", "HIDDEN"})

    def invoke(self, context, event):
        """Of an artist it is asked twice, in the panel."""
        if self.sure:
            return self.execute(context)
        context.window_manager.selfrect_setup.confirming = self.name
        return {"FINISHED"}

    @tells_problems
    def execute(self, context):
        """Start it."""
        context.window_manager.selfrect_setup.confirming = ""
        if bpy.app.background and not models.entries():
            models.wait(models.refresh()[0])
        return _finish(self, models.remove(self.name))


class SELFRECT_OT_model_import(bpy.types.Operator):
    """Take a model that is on this machine: a diffusers folder, or one .safetensors file"""

    bl_idname = "selfrect.model_import"
    bl_label = "Import a Model…"
    bl_options = {"REGISTER"}

    filepath: StringProperty(name="Path", subtype="FILE_PATH", options={"SKIP_SAVE"})
    model: StringProperty(name="Name", description="What it will be called; empty: as its file", options={"SKIP_SAVE"})
    link: BoolProperty(name="Use It Where It Is", description="Do not copy it into the models folder")
    filter_glob: StringProperty(default="*.safetensors", options={"HIDDEN"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context, event):
        """Let the artist choose it."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @tells_problems
    def execute(self, context):
        """Start it."""
        return _finish(self, models.bring_in(bpy.path.abspath(self.filepath), self.model, self.link))


class SELFRECT_OT_model_cancel(bpy.types.Operator):
    """Stop it; what was downloaded is kept and need not be downloaded again"""

    bl_idname = "selfrect.model_cancel"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}

    name: StringProperty(**_NAME)

    def execute(self, context):
        """Ask for it."""
        models.cancel(self.name)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (
        SELFRECT_OT_models_refresh,
        SELFRECT_OT_model_use,
        SELFRECT_OT_model_licence,
        SELFRECT_OT_model_download,
        SELFRECT_OT_model_verify,
        SELFRECT_OT_model_remove,
        SELFRECT_OT_model_import,
        SELFRECT_OT_model_cancel,
    )
)
