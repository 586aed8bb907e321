# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""Saving a result and its maps to a folder."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ..host.engine_source import problems
from ..scene import images, map_files
from .operators import tells_problems
from .translations import say


class SELFRECT_OT_save_result(bpy.types.Operator):
    """Write the result and its maps as files into a folder, each with its usual suffix"""

    bl_idname = "selfrect.save_result"
    bl_label = "Save Result and Maps"
    bl_options = {"REGISTER"}

    image: StringProperty(name="Image", description="An image's name; empty: the panel's result", options={"SKIP_SAVE"})
    directory: StringProperty(name="Folder", description="Where the files go", subtype="DIR_PATH")
    filter_folder: BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})
    file_format: EnumProperty(name="Format", description="Of all files", items=map_files.FORMATS)
    depth: EnumProperty(name="Bits", description="Of each channel", items=map_files.DEPTHS, default="16")
    use_files: BoolProperty(
        name="Use the Files", description="The images are these files from now on; they are no longer packed into the .blend"
    )

    def invoke(self, context, event):
        """Ask for the folder."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    @tells_problems
    def execute(self, context):
        """Write them, tell how many."""
        result = images.by_name(self.image, "result") if self.image else context.scene.selfrect.result
        if result is None:
            raise problems.Problem("bad_input", "There is no result yet.", "Press Rectify first, or name an image.")
        paths = map_files.save(result, self.directory, self.file_format, int(self.depth), self.use_files)
        self.report({"INFO"}, say("{count} files are in “{folder}”.", count=len(paths), folder=self.directory))
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((SELFRECT_OT_save_result,))
