# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""What can be done with an entry of a target's history. Scripts name it: `bpy.ops.selfrect.recall_result(image="bark rectified")`."""

from __future__ import annotations

import bpy
from bpy.props import IntProperty, StringProperty

from ..host.engine_source import problems
from ..scene import history, images, recalling
from . import engine_settings
from .operators import tells_problems
from .translations import say


class _OfEntry:
    """Properties that name an entry; none: the panel's target and the row that is chosen there."""

    bl_options = {"REGISTER", "UNDO"}

    target: StringProperty(name="Target", description="An image's name; empty: the panel's target", options={"SKIP_SAVE"})
    image: StringProperty(name="Result", description="An image's name; empty: the one chosen in the list", options={"SKIP_SAVE"})
    index: IntProperty(name="Row", description="Instead of a name; 0 is the newest", min=-1, default=-1, options={"SKIP_SAVE"})

    def _find(self, context: bpy.types.Context) -> tuple[bpy.types.Image, int]:
        """The target and the row. Raises Problem bad_input."""
        target = images.by_name(self.target, "target") if self.target else context.scene.selfrect.target
        if self.image and not self.target:  # a result knows its target
            found = history.find(images.by_name(self.image, "result"))
            target = found[0] if found else target
        index = self.index if self.index >= 0 else history.index_of(target, self.image) if target else -1
        if not 0 <= index < len(history.entries(target)):
            raise problems.Problem("bad_input", "There is no such result.", "Choose one in the list of results.")
        return target, index


class SELFRECT_OT_recall_result(_OfEntry, bpy.types.Operator):
    """Set all settings, the pictures and the ticks of the maps to what this result was made with"""

    bl_idname = "selfrect.recall_result"
    bl_label = "Recall Settings"

    @tells_problems
    def execute(self, context):
        """Set the panel."""
        target, index = self._find(context)
        entry = history.entries(target)[index]
        left, gone = recalling.recall(entry, context)
        left += engine_settings.recall(context.scene, history.engine_settings_of(entry))
        context.scene.selfrect.target = target
        if gone:
            self.report({"WARNING"}, say("These images are not in this file any more: {names}.", names=", ".join(gone)))
        if left:
            self.report({"WARNING"}, say("This version has no setting called {names}.", names=", ".join(left)))
        return {"FINISHED"}


class SELFRECT_OT_continue_from_result(_OfEntry, bpy.types.Operator):
    """Make a copy of this result the new target, to edit it and rectify again"""

    bl_idname = "selfrect.continue_from_result"
    bl_label = "Continue from Result"

    @tells_problems
    def execute(self, context):
        """Copy, choose, show."""
        target, index = self._find(context)
        entry = history.entries(target)[index]
        if entry.image is None:
            raise problems.Problem("bad_input", f"The picture of “{entry.name}” was deleted.", "Recall its settings and rectify again.")
        new = history.go_on(entry, context.scene)
        space = context.space_data
        if space and space.type == "IMAGE_EDITOR":
            space.image = new
        self.report({"INFO"}, say("“{name}” is the target.", name=new.name))
        return {"FINISHED"}


class SELFRECT_OT_earlier_target(bpy.types.Operator):
    """Choose the target again from whose result this one goes on"""

    bl_idname = "selfrect.earlier_target"
    bl_label = "Earlier Target"
    bl_options = {"REGISTER", "UNDO"}

    @tells_problems
    def execute(self, context):
        """Choose it, and the result that was gone on from."""
        target = context.scene.selfrect.target
        found = history.find(target.selfrect.origin) if target else None
        if found is None:
            raise problems.Problem("bad_input", "This target goes on from no result in this file.", "Choose the target by its name.")
        earlier, entry = found
        context.scene.selfrect.target = earlier
        earlier.selfrect.active = history.index_of(earlier, entry.image.name)
        return {"FINISHED"}


class SELFRECT_OT_delete_result(_OfEntry, bpy.types.Operator):
    """Take this result out of the list; its image goes too unless a material or something else uses it"""

    bl_idname = "selfrect.delete_result"
    bl_label = "Delete Result"

    @tells_problems
    def execute(self, context):
        """Delete it and say what became of the image."""
        target, index = self._find(context)
        image = history.entries(target)[index].image
        name = image.name if image else ""
        if history.remove(target, index) is None and name:
            self.report({"INFO"}, say("“{name}” is in use elsewhere and stays as an image.", name=name))
        return {"FINISHED"}


class SELFRECT_OT_clear_results(bpy.types.Operator):
    """Delete all results of the target but the favourites"""

    bl_idname = "selfrect.clear_results"
    bl_label = "Delete All but Favourites"
    bl_options = {"REGISTER", "UNDO"}

    target: StringProperty(name="Target", description="An image's name; empty: the panel's target", options={"SKIP_SAVE"})

    @tells_problems
    def execute(self, context):
        """Delete them one by one, last first."""
        target = images.by_name(self.target, "target") if self.target else context.scene.selfrect.target
        for index in reversed(range(len(history.entries(target)))):
            if not target.selfrect.history[index].favourite:
                history.remove(target, index)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (
        SELFRECT_OT_recall_result,
        SELFRECT_OT_continue_from_result,
        SELFRECT_OT_earlier_target,
        SELFRECT_OT_delete_result,
        SELFRECT_OT_clear_results,
    )
)
