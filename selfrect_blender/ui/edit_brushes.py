# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""Two brushes of our own: erase to background, and draw with a strip of texture that bends with the stroke.

They stay at hand until Esc; each stroke is one undo step. What is drawn while the button is held is a preview.
"""

from __future__ import annotations

import bpy
import numpy as np

from ..edit import paths
from ..edit.boxes import Box
from ..scene import edits, images
from . import edit_view
from .edit_tool import DONE, HELD, PASS, ImageTool
from .edit_view import View
from .translations import mark, say

_ERASE_KEYS = mark(
    "Drag: erase to background   ·   [ ] radius {radius:.0f} px   − = softness {softness:.0%}   W: wrap {wrap}   ·   Esc: done"
)
_LINE_KEYS = mark("Drag along a strip of the reference   ·   [ ] width of the strip {width:.0f} px   ·   Esc: done")
_STROKE_KEYS = mark(
    "Drag: draw with the strip   ·   [ ] width {width:.0f} px   − = softness {softness:.0%}   P: new strip   W: wrap {wrap}   ·   Esc: done"
)
_SHADE = np.array([0.55, 0.1, 0.45, 1.0], np.float32)  # erased, in the preview
_FINEST = 512  # pixels of a preview's longer side


class _Brush(ImageTool):
    """What both share: a path that is drawn over the target while the button is held."""

    size_name = "radius"  # which of the settings [ and ] change

    def begin(self, context, event):
        """No path yet."""
        self.path: list[np.ndarray] = []
        self.mouse: np.ndarray | None = None
        self.preview: tuple[edit_view.Texture, Box] | None = None
        self.stale = False

    def handle(self, context, event, view):
        """Path, keys, end."""
        if event.type in {"ESC", "RIGHTMOUSE", "RET", "NUMPAD_ENTER"} and event.value == "PRESS":
            if self.path:
                self.path, self.preview = [], None
                return HELD
            return self.finished(context)
        over = view is not None and view.space.image == self.target
        if event.type == "MOUSEMOVE":
            self.mouse = edit_view.to_image(view, event.mouse_x, event.mouse_y, tuple(self.target.size)) if over else None
            if self.path and over:
                self.path.append(self.mouse)
                self.stale = True
            return HELD if self.path else PASS
        if event.type == "LEFTMOUSE" and event.value == "PRESS" and over:
            self.path = [edit_view.to_image(view, event.mouse_x, event.mouse_y, tuple(self.target.size))]
            self.stale = True
            return HELD
        if event.type == "LEFTMOUSE" and event.value == "RELEASE" and self.path:
            path, self.path, self.preview = np.array(self.path), [], None
            self.apply(context, path)
            return HELD
        return HELD if self.key(context, event, view) else PASS

    def finished(self, context):
        """The artist is done."""
        self.give_back(context)
        return DONE

    def key(self, context, event, view) -> bool:
        """Whether a key was one of ours."""
        settings = context.scene.selfrect_edit
        if event.value != "PRESS" or not view or event.ctrl or event.alt or event.oskey:
            return False
        if event.type in {"LEFT_BRACKET", "RIGHT_BRACKET"}:
            factor = 1.15 if event.type == "RIGHT_BRACKET" else 1 / 1.15
            setattr(settings, self.size_name, getattr(settings, self.size_name) * factor)
        elif event.type in {"MINUS", "NUMPAD_MINUS", "EQUAL", "PLUS", "NUMPAD_PLUS"}:
            settings.softness = min(max(settings.softness + (-0.1 if "MINUS" in event.type else 0.1), 0), 1)
        elif event.type == "W":
            settings.wrap ^= True
        else:
            return False
        self.stale = bool(self.path)
        return True

    def draw_over(self, context, view: View):
        """The preview, and the brush's outline at the mouse."""
        target = bpy.data.images.get(self.target_name)
        if target is None or view.space.image != target:
            return
        size = tuple(target.size)
        if self.path and self.stale:
            self.preview, self.stale = self.seen(context, target), False
        if self.preview:
            texture, box = self.preview
            corners = edit_view.corners_of(box.width, box.height) + np.array([box.x0, box.y0])
            opacity = context.scene.selfrect_edit.opacity if self.opaque else 1.0
            texture.draw_quad(edit_view.to_region(view.region, corners, size), opacity)
        if self.mouse is not None:
            outline = edit_view.circle(self.mouse, self.reach(context))
            edit_view.draw_line(edit_view.to_region(view.region, outline, size), closed=True)

    opaque = False

    def coarse(self, target: bpy.types.Image, spacing: float) -> tuple[np.ndarray, float, Box]:
        """The path at a size at which a preview is quick: its points there, the scale, the target's frame there."""
        scale = min(_FINEST / max(target.size), 1.0)
        width, height = (max(round(side * scale), 1) for side in target.size)
        return paths.smooth(np.array(self.path) * scale, max(spacing * scale, 1)), scale, Box(0, 0, width, height)

    def at_size(self, box: Box, scale: float) -> Box:
        """A box of the coarse picture in pixels of the target; not whole ones."""
        return Box(*(side / scale for side in box))


class SELFRECT_OT_erase_brush(_Brush, bpy.types.Operator):
    """Paint parts of the target transparent: Rectify fills them anew"""

    bl_idname = "selfrect.erase_brush"
    bl_label = "Erase to Background with the Mouse"
    bl_options = {"REGISTER"}

    def keys(self, context):
        """For the status bar."""
        settings = context.scene.selfrect_edit
        return say(_ERASE_KEYS, radius=settings.radius, softness=settings.softness, wrap=say("on") if settings.wrap else say("off"))

    def begin(self, context, event):
        """The target has to be seen somewhere."""
        super().begin(context, event)
        show_target(self, context)

    def reach(self, context) -> float:
        """The brush's radius."""
        return context.scene.selfrect_edit.radius

    def apply(self, context, path):
        """One stroke."""
        settings = context.scene.selfrect_edit
        edits.erase(self.target, path, settings.radius, settings.softness, wrap=settings.wrap)

    def seen(self, context, target):
        """What the stroke will take away."""
        settings = context.scene.selfrect_edit
        path, scale, frame = self.coarse(target, settings.radius / 4)
        field = paths.field(path, settings.radius * scale + 1, frame)
        if field.box.empty:
            return None
        strength = paths.brush(field, settings.radius * scale, settings.softness)
        return edit_view.Texture(strength[..., None] * _SHADE * np.float32(0.75), "srgb"), self.at_size(field.box, scale)


class SELFRECT_OT_stroke_brush(_Brush, bpy.types.Operator):
    """Pick a strip of the reference and draw with it: the texture bends with the stroke"""

    bl_idname = "selfrect.stroke_brush"
    bl_label = "Draw Texture Strokes with the Mouse"
    bl_options = {"REGISTER"}

    size_name = "width"
    opaque = True

    def begin(self, context, event):
        """No strip yet."""
        super().begin(context, event)
        self.source_name, self.source_size, self.line = "", (1, 1), []
        self.strip: np.ndarray | None = None
        self.ends: tuple = ()

    def keys(self, context):
        """For the status bar."""
        settings = context.scene.selfrect_edit
        if self.strip is None:
            return say(_LINE_KEYS, width=settings.width)
        return say(_STROKE_KEYS, width=settings.width, softness=settings.softness, wrap=say("on") if settings.wrap else say("off"))

    def handle(self, context, event, view):
        """First the strip, then strokes."""
        if self.strip is not None:
            if event.type == "P" and event.value == "PRESS" and view and not self.path:
                self.strip = None
                self.give_back(context)
                return HELD
            return super().handle(context, event, view)
        if event.type in {"ESC", "RIGHTMOUSE"} and event.value == "PRESS":
            return self.finished(context)
        if event.type == "LEFTMOUSE" and event.value == "PRESS" and view and view.space.image:
            images.check(view.space.image, "reference")
            self.source_name, self.source_size, self.view = view.space.image.name, tuple(view.space.image.size), view
            self.line = [edit_view.to_image(view, event.mouse_x, event.mouse_y, self.source_size)]
        elif event.type == "MOUSEMOVE" and self.line:
            self.line = [self.line[0], edit_view.to_image(self.view, event.mouse_x, event.mouse_y, self.source_size)]
        elif event.type == "LEFTMOUSE" and event.value == "RELEASE" and self.line:
            self._picked(context)
        else:
            return HELD if self.line or self.key(context, event, view) else PASS
        return HELD

    def _picked(self, context) -> None:
        """The strip is marked: read it, show the target."""
        line, self.line = self.line, []
        if len(line) < 2 or np.hypot(*(line[1] - line[0])) < 2:
            return
        self.ends = (tuple(line[0]), tuple(line[1]), context.scene.selfrect_edit.width)
        source = images.read(images.by_name(self.source_name, "reference"), "reference")
        self.strip = edits.strip_from(source, self.ends, images.encoding(self.target))
        if edit_view.showing(context.window, self.target) is None:
            self.show(self.view, self.target)

    def reach(self, context) -> float:
        """Half the stroke's width."""
        return context.scene.selfrect_edit.width / 2

    def apply(self, context, path):
        """One stroke."""
        settings = context.scene.selfrect_edit
        source = images.by_name(self.source_name, "reference")
        arguments = (settings.width, settings.opacity, settings.softness, settings.ends, settings.wrap)
        edits.stroke(self.target, source, self.ends, path, *arguments)

    def seen(self, context, target):
        """The stroke, coarse."""
        settings = context.scene.selfrect_edit
        path, scale, frame = self.coarse(target, max(settings.width / 12, 3))
        width = settings.width * scale
        field = paths.field(path, width / 2 + 1, frame)
        if field.box.empty:
            return None
        layer = paths.bent(self.strip, field, width, settings.softness, settings.ends)
        return edit_view.Texture(layer, images.encoding(target)), self.at_size(field.box, scale)

    def draw_over(self, context, view: View):
        """The strip on the reference, or the stroke on the target."""
        if self.strip is not None:
            super().draw_over(context, view)
        elif len(self.line) == 2 and view.area == self.view.area:
            ahead = self.line[1] - self.line[0]
            left = np.array([-ahead[1], ahead[0]]) / max(np.hypot(*ahead), 1e-6) * self.reach(context)
            corners = [self.line[0] - left, self.line[1] - left, self.line[1] + left, self.line[0] + left]
            edit_view.draw_line(edit_view.to_region(view.region, corners, self.source_size), closed=True)
            edit_view.draw_line(edit_view.to_region(view.region, self.line, self.source_size), color=edit_view.ACCENT)


def show_target(tool: ImageTool, context: bpy.types.Context) -> None:
    """Where no Image Editor of the window shows the target, the one at hand does from now on."""
    if edit_view.showing(context.window, tool.target):
        return
    areas = [area for area in (context.area, *context.window.screen.areas) if area and area.type == "IMAGE_EDITOR"]
    if areas:
        areas[0].spaces.active.image = tool.target


register, unregister = bpy.utils.register_classes_factory((SELFRECT_OT_erase_brush, SELFRECT_OT_stroke_brush))
