# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""The warp tool: drag the handles of a grid over the target, see it bend, press Enter."""

from __future__ import annotations

import bpy
import numpy as np

from ..edit import compositing, sampling, warping
from ..scene import edits, images
from . import edit_view
from .edit_brushes import show_target
from .edit_tool import DONE, HELD, PASS, STOPPED, ImageTool
from .edit_view import View
from .translations import mark, say

_KEYS = mark("Drag a handle   ·   Backspace: all handles back   Enter: warp   W: wrap {wrap}   ·   Esc: stop")
_NEAR = 24  # pixels of the screen in which a handle is taken
_CELLS = 8  # parts of the preview's mesh between two handles


class SELFRECT_OT_warp_grid(ImageTool, bpy.types.Operator):
    """Bend the target by dragging the handles of a grid"""

    bl_idname = "selfrect.warp_grid"
    bl_label = "Warp with the Mouse"
    bl_options = {"REGISTER"}

    def begin(self, context, event):
        """The grid as the panel says, nothing moved."""
        settings = context.scene.selfrect_edit
        self.size = tuple(self.target.size)
        across, up = np.linspace(0, self.size[0], settings.columns), np.linspace(0, self.size[1], settings.rows)
        self.handles = np.stack(np.meshgrid(across, up), -1)
        self.offsets = np.zeros_like(self.handles)
        self.held: tuple[int, int] | None = None
        self.near: tuple[int, int] | None = None
        self.texture: edit_view.Texture | None = None
        self.mesh = _mesh(settings.columns, settings.rows)
        show_target(self, context)

    def keys(self, context):
        """For the status bar."""
        return say(_KEYS, wrap=say("on") if context.scene.selfrect_edit.wrap else say("off"))

    def handle(self, context, event, view):
        """Take, drag, apply."""
        if event.type in {"ESC", "RIGHTMOUSE"} and event.value == "PRESS":
            if self.held:
                self.offsets[self.held], self.held = self.before, None
                return HELD
            return STOPPED
        if event.type in {"RET", "NUMPAD_ENTER"} and event.value == "PRESS":
            edits.warp(self.target, self.offsets, context.scene.selfrect_edit.wrap)
            return DONE
        if not view or view.space.image != self.target:
            return PASS
        place = edit_view.to_image(view, event.mouse_x, event.mouse_y, self.size)
        if event.type == "MOUSEMOVE":
            if self.held:
                self.offsets[self.held] = self.before + place - self.start
                return HELD
            self.near = self._nearest(view, event)
            return PASS
        if event.type == "LEFTMOUSE":
            if event.value == "PRESS" and self._nearest(view, event):
                self.held = self._nearest(view, event)
                self.start, self.before = place, self.offsets[self.held].copy()
            elif event.value == "RELEASE":
                self.held = None
            return HELD
        if event.value == "PRESS" and event.type == "BACK_SPACE":
            self.offsets[:] = 0
        elif event.value == "PRESS" and event.type == "W":
            context.scene.selfrect_edit.wrap ^= True
        else:
            return PASS
        return HELD

    def _nearest(self, view: View, event) -> tuple[int, int] | None:
        """The handle under the mouse: (row, column)."""
        shown = edit_view.to_region(view.region, (self.handles + self.offsets).reshape(-1, 2), self.size)
        far = np.hypot(*(shown - (event.mouse_x - view.region.x, event.mouse_y - view.region.y)).T)
        nearest = int(np.argmin(far))
        if far[nearest] > _NEAR * bpy.context.preferences.system.ui_scale:
            return None
        return tuple(map(int, np.unravel_index(nearest, self.handles.shape[:2])))

    def draw_over(self, context, view: View):
        """The picture on a bent mesh, the grid, the handles."""
        target = bpy.data.images.get(self.target_name)
        if target is None or view.space.image != target or tuple(target.size) != self.size:
            return
        places, triangles, rows, columns = self.mesh
        moved = places * self.size
        moved = moved + warping.displaced(self.offsets, moved[:, 0], moved[:, 1], *self.size)
        corners = edit_view.to_region(view.region, moved, self.size)
        if self.offsets.any():
            self.texture = self.texture or _texture(target)
            edit_view.draw_cover(edit_view.to_region(view.region, edit_view.corners_of(*self.size), self.size), (0.2, 0.2, 0.2, 1))
            self.texture.draw(corners, places, triangles)
        grid = corners.reshape(rows, columns, 2)
        for row in range(0, rows, _CELLS):
            edit_view.draw_line(grid[row], color=(1, 1, 1, 0.5))
        for column in range(0, columns, _CELLS):
            edit_view.draw_line(grid[:, column], color=(1, 1, 1, 0.5))
        handles = edit_view.to_region(view.region, (self.handles + self.offsets).reshape(-1, 2), self.size)
        active = self.held or self.near
        edit_view.draw_points(handles, 7)
        if active:
            edit_view.draw_points([handles[np.ravel_multi_index(active, self.handles.shape[:2])]], 9, edit_view.ACCENT)


def _mesh(columns: int, rows: int) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Places (n, 2) from 0 to 1, triangles (m, 3), and how many rows and columns of places there are."""
    wide, high = (columns - 1) * _CELLS + 1, (rows - 1) * _CELLS + 1
    places = np.stack(np.meshgrid(np.linspace(0, 1, wide), np.linspace(0, 1, high)), -1).reshape(-1, 2)
    first = (np.arange(high - 1)[:, None] * wide + np.arange(wide - 1)).ravel()
    triangles = np.concatenate([np.stack([first, first + 1, first + wide + 1], 1), np.stack([first, first + wide + 1, first + wide], 1)])
    return places, triangles, high, wide


def _texture(image: bpy.types.Image) -> edit_view.Texture:
    """The image as it is now, for the preview."""
    source = images.read(image, "target")
    picture = source.flat.reshape(source.height, source.width, source.channels)
    if source.channels != 4:
        picture = source.picture()[::-1]
    picture = sampling.reduced(picture, max(max(source.width, source.height) // 1024, 1))
    return edit_view.Texture(picture if source.premultiplied else compositing.multiplied(picture), source.encoding)


register, unregister = bpy.utils.register_classes_factory((SELFRECT_OT_warp_grid,))
