# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tools of the mouse share: they run over Image Editors until they are done, draw over them, and tell their keys.

A tool keeps names of images, never the images: it lives through undo. Its own events are those over an Image Editor;
all others go on to Blender, so buttons work and views can be moved while it runs.
"""

from __future__ import annotations

import bpy

from ..host.engine_source import problems
from ..scene import editors, images
from . import edit_view
from .edit_view import View

_running: list[ImageTool] = []

PASS, HELD, DONE, STOPPED = {"PASS_THROUGH"}, {"RUNNING_MODAL"}, {"FINISHED"}, {"CANCELLED"}


class ImageTool:
    """Mixin of an operator: `begin` (may raise Problem), `handle` (one event), `draw_over` (each Image Editor), `keys` (status bar)."""

    def invoke(self, context, event):
        """Start, with the mouse wherever it is."""
        try:
            self.target_name = self._name(context.scene.selfrect.target, "target")
            self.begin(context, event)
        except problems.Problem as problem:
            self.report({"ERROR"}, str(problem))
            return STOPPED
        self._window, self._shown = context.window, {}
        self._handle = bpy.types.SpaceImageEditor.draw_handler_add(self._draw, (), "WINDOW", "POST_PIXEL")
        _running.append(self)
        context.window_manager.modal_handler_add(self)
        self._refresh(context)
        return HELD

    def modal(self, context, event):
        """Hand the event on; whatever goes wrong, nothing stays drawn."""
        done = False
        try:
            if not self._runs():  # the extension was switched off meanwhile
                return STOPPED
            result = self._handled(context, event)
            done = bool(result & {"FINISHED", "CANCELLED"})
            return result
        except problems.Problem as problem:
            self.report({"ERROR"}, str(problem))
            done = True
            return STOPPED
        except BaseException:
            done = True
            raise
        finally:
            if done:
                self.end(context)
            elif event.type != "INBETWEEN_MOUSEMOVE":
                self._refresh(context)

    def cancel(self, context):
        """Blender ends the tool, because it closes or opens another file."""
        self.end(context)

    def end(self, context) -> None:
        """Draw nothing any more."""
        if self._runs():
            _running[:] = [tool for tool in _running if tool is not self]
            bpy.types.SpaceImageEditor.draw_handler_remove(self._handle, "WINDOW")
            if context.workspace:
                context.workspace.status_text_set(None)
            for area in editors.areas("IMAGE_EDITOR"):
                area.tag_redraw()

    def show(self, view: View, image: bpy.types.Image) -> None:
        """Let an editor show an image; `give_back` undoes that."""
        self._shown.setdefault(view.area.as_pointer(), view.space.image.name if view.space.image else "")
        view.space.image = image

    def give_back(self, context) -> None:
        """Let the editors show what they did before."""
        for area in context.window.screen.areas:
            name = self._shown.get(area.as_pointer())
            if name and name in bpy.data.images and area.type == "IMAGE_EDITOR":
                area.spaces.active.image = bpy.data.images[name]

    @property
    def target(self) -> bpy.types.Image:
        """The image that is edited. Raises Problem bad_input when it is gone."""
        return images.by_name(self.target_name, "target")

    def _runs(self) -> bool:
        return any(tool is self for tool in _running)

    def _handled(self, context, event):
        if event.type in {"TIMER", "TIMER_REPORT", "WINDOW_DEACTIVATE", "NONE"}:
            return PASS
        view = edit_view.view_at(context.window, event.mouse_x, event.mouse_y)
        return self.handle(context, event, view)

    def _refresh(self, context) -> None:
        if context.workspace and self._runs():
            context.workspace.status_text_set(self.keys(context))
        for area in context.window.screen.areas if context.window else ():
            if area.type == "IMAGE_EDITOR":
                area.tag_redraw()

    def _draw(self) -> None:
        context = bpy.context
        if context.region and context.region.type == "WINDOW" and context.window == self._window:
            self.draw_over(context, View(context.area, context.region))

    @staticmethod
    def _name(image: bpy.types.Image | None, what: str) -> str:
        images.check(image, what)
        return image.name


def stop_all() -> None:
    """Take every tool's drawing away; the tools end with their next event."""
    for tool in _running:
        bpy.types.SpaceImageEditor.draw_handler_remove(tool._handle, "WINDOW")
        if tool._window.workspace:
            tool._window.workspace.status_text_set(None)
    _running.clear()
