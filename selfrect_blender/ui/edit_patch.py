# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""The patch tool: pick with a lasso or a box on the reference or the target, move it over the target, click to stamp.

Picking leaves a note of the patch (`WindowManager.selfrect_picked`), which Scatter takes.
"""

from __future__ import annotations

import math
from dataclasses import replace

import bpy
import numpy as np
from bpy.props import EnumProperty

from ..edit.patches import Patch, Placement
from ..edit.scattering import Spread
from ..host.engine_source import problems
from ..scene import canvas, edits, images
from . import edit_view
from .edit_operators import numbers
from .edit_tool import DONE, HELD, PASS, STOPPED, ImageTool
from .edit_view import View
from .operators import tells_problems
from .translations import mark, say

_PICK_KEYS = mark("Drag around a patch of the reference or the target   ·   B: box   L: lasso   ·   Esc: stop")
_PLACE_KEYS = mark(
    "Click: stamp   Shift-click: stamp and keep   ·   G: move   R: turn   S: size   X, Y: mirror   ·   "
    "− = opacity {opacity:.0%}   [ ] soft edge {feather:.0f} px   W: wrap {wrap}   ·   Esc: stop"
)
_TURN_KEYS = mark("Turn {angle:.0f}°   ·   Ctrl: steps of 15°   Click: accept   Esc: back")
_SIZE_KEYS = mark("Size {size:.0%}   ·   Ctrl: steps of 10 %   Click: accept   Esc: back")
_STEPS = {"MINUS": -0.1, "NUMPAD_MINUS": -0.1, "EQUAL": 0.1, "PLUS": 0.1, "NUMPAD_PLUS": 0.1}
_EDGES = {"LEFT_BRACKET": -1, "RIGHT_BRACKET": 1}


class SELFRECT_OT_pick_patch(ImageTool, bpy.types.Operator):
    """Pick a patch of the reference or the target with the mouse and stamp it onto the target"""

    bl_idname = "selfrect.pick_patch"
    bl_label = "Stamp Patch with the Mouse"
    bl_options = {"REGISTER"}

    then: EnumProperty(
        name="Then", items=[("STAMP", "Stamp", "Move it over the target"), ("NOTE", "Only Pick", "For Scatter")], options={"SKIP_SAVE"}
    )

    def begin(self, context, event):
        """Nothing is picked yet."""
        self.shape = context.scene.selfrect_edit.shape
        self.points: list[np.ndarray] = []
        self.source_name, self.source_size = "", (1, 1)
        self.patch: Patch | None = None
        self.texture: edit_view.Texture | None = None
        self.place = Placement(0, 0)
        self.action, self.start, self.mouse = "PICK", None, np.zeros(2)
        self.grip = np.zeros(2)  # from the mouse to the patch's middle, in pixels of the target

    def handle(self, context, event, view):
        """One event in the phase that the tool is in."""
        if event.type in {"ESC", "RIGHTMOUSE"} and event.value == "PRESS":
            return self._back(context)
        if self.action == "PICK":
            return self._pick(context, event, view)
        return self._move(context, event, view)

    def keys(self, context):
        """What can be pressed now."""
        if self.action == "PICK":
            return say(_PICK_KEYS)
        if self.action == "TURN":
            return say(_TURN_KEYS, angle=math.degrees(self.place.angle))
        if self.action == "SIZE":
            return say(_SIZE_KEYS, size=self.place.scale)
        settings = context.scene.selfrect_edit
        wrap = say("on") if settings.wrap else say("off")
        return say(_PLACE_KEYS, opacity=settings.opacity, feather=settings.feather, wrap=wrap)

    # Picking

    def _pick(self, context, event, view):
        if event.type in {"B", "L"} and event.value == "PRESS" and view:
            self.shape = context.scene.selfrect_edit.shape = {"B": "BOX", "L": "LASSO"}[event.type]
        elif event.type == "LEFTMOUSE" and event.value == "PRESS" and view and view.space.image:
            images.check(view.space.image, "reference")
            self.source_name, self.source_size = view.space.image.name, tuple(view.space.image.size)
            self.points = [self._at(view, event, self.source_size)]
            self.view = view
        elif event.type == "MOUSEMOVE" and self.points:
            place = self._at(self.view, event, self.source_size)
            self.points = [*(self.points[:1] if self.shape == "BOX" else self.points), place]
        elif event.type == "LEFTMOUSE" and event.value == "RELEASE" and self.points:
            return self._picked(context, event)
        else:
            return HELD if self.points else PASS
        return HELD

    def _picked(self, context, event):
        """The button is released: cut, and go on to the target."""
        points, source = np.array(self.points), images.by_name(self.source_name, "reference")
        self.points = []
        if len(points) < (2 if self.shape == "BOX" else 3) or np.ptp(points, axis=0).min() < 1:
            return HELD  # a click without a movement: try again
        self.patch = canvas.pick(images.read(source, "reference"), points, images.encoding(self.target))
        if self.patch is None:
            return HELD
        picked = context.window_manager.selfrect_picked
        picked.points, picked.image = str([tuple(map(float, point)) for point in points.round(2)]), self.source_name
        if self.then == "NOTE":
            self.report({"INFO"}, say("The patch is picked."))
            return DONE
        if edit_view.showing(context.window, self.target) is None:
            self.show(self.view, self.target)
        middle = np.array(self.patch.origin) + np.array(self.patch.mask.shape[::-1]) / 2
        inside = self.source_name == self.target_name
        self.place = Placement(*(middle if inside else self._at(self.view, event, self.target.size)))
        self.action, self.outline = "MOVE", points - middle
        self._grip(self._at(self.view, event, self.target.size)) if inside else self._grip(np.array([self.place.x, self.place.y]))
        return HELD

    # Placing

    def _move(self, context, event, view):
        if event.type == "MOUSEMOVE":
            return self._dragged(event, view)
        if not view or view.space.image != self.target:
            return PASS
        if event.type in {"LEFTMOUSE", "RET", "NUMPAD_ENTER"} and event.value == "PRESS":
            return self._click(context, event, view)
        if event.value != "PRESS":
            return HELD if event.type == "LEFTMOUSE" else PASS
        if event.ctrl and event.type in {"WHEELUPMOUSE", "WHEELDOWNMOUSE"}:
            self._change(context, "opacity", 0.1 if event.type == "WHEELUPMOUSE" else -0.1)
        elif event.shift and event.type in {"WHEELUPMOUSE", "WHEELDOWNMOUSE"}:
            self._soften(context, 1 if event.type == "WHEELUPMOUSE" else -1)
        elif event.ctrl or event.alt or event.oskey:
            return PASS
        elif event.type in {"G", "R", "S"}:
            self._take(event, view, {"G": "MOVE", "R": "TURN", "S": "SIZE"}[event.type])
        elif event.type in {"X", "Y"}:
            self.place = self._mirrored(event.type)
        elif event.type in _STEPS:
            self._change(context, "opacity", _STEPS[event.type])
        elif event.type in _EDGES:
            self._soften(context, _EDGES[event.type])
        elif event.type == "W":
            context.scene.selfrect_edit.wrap ^= True
        else:
            return PASS
        return HELD

    def _dragged(self, event, view):
        view = view if view and view.space.image == self.target else None
        if view is None:
            return PASS
        self.mouse = self._at(view, event, self.target.size)
        middle = np.array([self.place.x, self.place.y])
        if self.action == "MOVE":
            self.place = replace(self.place, x=float(self.mouse[0] + self.grip[0]), y=float(self.mouse[1] + self.grip[1]))
            return HELD
        before, now = self.start[1] - middle, self.mouse - middle
        if self.action == "TURN":
            angle = self.start[0].angle + math.atan2(now[1], now[0]) - math.atan2(before[1], before[0])
            step = math.radians(15)
            self.place = replace(self.place, angle=round(angle / step) * step if event.ctrl else angle)
        else:
            size = self.start[0].scale * float(np.hypot(*now) / max(np.hypot(*before), 1e-3))
            size = round(size, 1) if event.ctrl else size
            self.place = replace(self.place, scale=min(max(size, 0.02), 50.0))
            self.texture = None
        return HELD

    def _click(self, context, event, view):
        if self.action != "MOVE":
            self.action = "MOVE"
            self._grip(self.mouse)
            return HELD
        settings = context.scene.selfrect_edit
        edits.stamp_patch(self.target, self.patch, self.place, settings.opacity, settings.feather, settings.wrap)
        if event.shift:
            return HELD
        return DONE

    def _back(self, context):
        """Esc: out of turning and sizing, else out of the tool."""
        if self.action in {"TURN", "SIZE"}:
            self.place, self.action, self.texture = self.start[0], "MOVE", None
            self._grip(self.mouse)
            return HELD
        if self.points:
            self.points = []
            return HELD
        self.give_back(context)
        return STOPPED

    def _take(self, event, view, action: str) -> None:
        self.mouse = self._at(view, event, self.target.size)
        self.action, self.start = action, (self.place, self.mouse)
        if action == "MOVE":
            self.grip = np.zeros(2)
            self.place = replace(self.place, x=float(self.mouse[0]), y=float(self.mouse[1]))

    def _grip(self, mouse: np.ndarray) -> None:
        self.mouse, self.grip = mouse, np.array([self.place.x, self.place.y]) - mouse

    def _mirrored(self, axis: str) -> Placement:
        """Mirrored as it is seen, turned or not."""
        place = replace(self.place, angle=-self.place.angle)
        return replace(place, mirror_x=not place.mirror_x) if axis == "X" else replace(place, mirror_y=not place.mirror_y)

    def _change(self, context, name: str, step: float) -> None:
        settings = context.scene.selfrect_edit
        setattr(settings, name, min(max(round(getattr(settings, name) + step, 2), 0.0), 1.0))

    def _soften(self, context, direction: int) -> None:
        settings = context.scene.selfrect_edit
        settings.feather = max(settings.feather + direction * max(1.0, round(settings.feather * 0.25)), 0.0)
        self.texture = None

    # Drawing

    def draw_over(self, context, view: View):
        """The lasso in the editor where it is drawn, the patch in those that show the target."""
        if self.action == "PICK":
            if self.points and view.area == self.view.area:
                points = np.array(self.points)
                if self.shape == "BOX" and len(points) == 2:
                    (left, low), (right, high) = points
                    points = np.array([(left, low), (right, low), (right, high), (left, high)])
                edit_view.draw_line(edit_view.to_region(view.region, points, self.source_size), closed=True)
            return
        target = bpy.data.images.get(self.target_name)
        if target is None or view.space.image != target:
            return
        self._draw_patch(context, view, tuple(target.size), images.encoding(target))

    def _draw_patch(self, context, view: View, size: tuple[int, int], encoding: str) -> None:
        settings = context.scene.selfrect_edit
        if self.texture is None:
            self.texture = edit_view.Texture(self.patch.layer(settings.feather / self.place.scale), encoding)
        height, width = self.patch.mask.shape
        matrix = self.place.matrix(width, height)
        corners = edit_view.corners_of(width, height) @ matrix[:, :2].T + matrix[:, 2]
        for shift in _shifts(corners, size) if settings.wrap else [(0, 0)]:
            self.texture.draw_quad(edit_view.to_region(view.region, corners + shift, size), settings.opacity)
        around = (self.outline if len(self.outline) > 2 else edit_view.corners_of(width, height) - (width / 2, height / 2)) + (
            width / 2,
            height / 2,
        )
        edit_view.draw_line(edit_view.to_region(view.region, around @ matrix[:, :2].T + matrix[:, 2], size), closed=True)
        if self.action in {"TURN", "SIZE"}:
            middle = [(self.place.x, self.place.y), self.mouse]
            edit_view.draw_line(edit_view.to_region(view.region, middle, size), color=edit_view.ACCENT)

    @staticmethod
    def _at(view: View, event, size) -> np.ndarray:
        return edit_view.to_image(view, event.mouse_x, event.mouse_y, tuple(size))


def _shifts(corners: np.ndarray, size: tuple[int, int]) -> list[tuple[int, int]]:
    """By how much a patch is moved to be seen wherever it comes back on the other side."""
    low, high = np.floor(corners.min(0) / size).astype(int), np.floor((corners.max(0) - 1e-3) / size).astype(int)
    return [(-x * size[0], -y * size[1]) for x in range(low[0], high[0] + 1) for y in range(low[1], high[1] + 1)][:16]


class SELFRECT_OT_scatter_picked(bpy.types.Operator):
    """Lay many copies of the patch that was picked last on the target, none on top of another. Undo and press again for others"""

    bl_idname = "selfrect.scatter_picked"
    bl_label = "Scatter Picked Patch"
    bl_options = {"REGISTER"}

    @tells_problems
    def execute(self, context):
        """With the panel's settings."""
        settings, picked = context.scene.selfrect_edit, context.window_manager.selfrect_picked
        if not picked.points:
            raise problems.Problem("bad_input", "No patch is picked yet.", "Press Pick Patch and draw around one.")
        target, source = context.scene.selfrect.target, images.by_name(picked.image, "reference")
        sizes = sorted((settings.smallest, settings.largest))
        spread = Spread(settings.turn, *sizes, settings.gap, settings.mirror, settings.wrap)
        arguments = (numbers(picked.points, 2), settings.count, settings.seed, spread, settings.opacity, settings.feather)
        placed = edits.scatter(target, source, *arguments)
        self.report({"INFO"}, say("{placed} of {count} copies found a place.", placed=placed, count=settings.count))
        return DONE


register, unregister = bpy.utils.register_classes_factory((SELFRECT_OT_pick_patch, SELFRECT_OT_scatter_picked))
