# SPDX-License-Identifier: GPL-3.0-or-later
"""Between the mouse and the pixels of an image, and drawing over an Image Editor: lines, and pictures with the graphics card."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from ..edit import compositing, sampling
from ..host import pixels

_LARGEST = 1024  # pixels of a preview's longer side

LIGHT, DARK, ACCENT = (1.0, 1.0, 1.0, 0.9), (0.0, 0.0, 0.0, 0.6), (1.0, 0.55, 0.1, 1.0)


@dataclass(frozen=True)
class View:
    """An Image Editor and its main region."""

    area: bpy.types.Area
    region: bpy.types.Region

    @property
    def space(self) -> bpy.types.SpaceImageEditor:
        """What it shows."""
        return self.area.spaces.active


def view_at(window: bpy.types.Window, x: int, y: int) -> View | None:
    """The Image Editor under a point of the window; None over its sidebar, header and whatever else lies on top."""
    for area in window.screen.areas:
        if area.type != "IMAGE_EDITOR" or not _holds(area, x, y):
            continue
        if any(_holds(region, x, y) for region in area.regions if region.type != "WINDOW" and region.width > 1 and region.height > 1):
            return None
        return view_of(area)
    return None


def view_of(area: bpy.types.Area) -> View:
    """The view of an Image Editor."""
    return View(area, next(region for region in area.regions if region.type == "WINDOW"))


def showing(window: bpy.types.Window, image: bpy.types.Image) -> View | None:
    """An Image Editor of this window in which the image is seen."""
    areas = (area for area in window.screen.areas if area.type == "IMAGE_EDITOR" and area.spaces.active.image == image)
    area = next(areas, None)
    return area and view_of(area)


def to_image(view: View, x: float, y: float, size: tuple[int, int]) -> np.ndarray:
    """A point of the window → (2,) pixels of an image of that size, from its lower left corner."""
    return np.array(view.region.view2d.region_to_view(x - view.region.x, y - view.region.y)) * size


def to_region(region: bpy.types.Region, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixels (n, 2) of an image of that size → places (n, 2) in the region, not rounded."""
    low = np.array(region.view2d.region_to_view(0, 0)) * size
    high = np.array(region.view2d.region_to_view(region.width, region.height)) * size
    return (np.asarray(points, np.float64) - low) / (high - low) * (region.width, region.height)


class Texture:
    """A picture on the graphics card, made smaller where it is large; drawn over any quadrilateral or mesh."""

    def __init__(self, layer: np.ndarray, encoding: str):
        """layer: (h, w, 4) premultiplied, bottom row first, in an image's encoding. Only to be called while drawing."""
        factor = max(-(-max(layer.shape[:2]) // _LARGEST), 1)
        layer = sampling.reduced(layer, factor)
        straight = compositing.divided(layer)
        if _takes_light() != (encoding == "linear"):
            straight = pixels.srgb_from_linear(straight) if encoding == "linear" else pixels.linear_from_srgb(straight)
        data = np.ascontiguousarray(compositing.multiplied(np.clip(straight, 0, 1)))
        buffer = gpu.types.Buffer("FLOAT", data.size, data.reshape(-1))
        self._texture = gpu.types.GPUTexture((data.shape[1], data.shape[0]), format="RGBA16F", data=buffer)

    def draw(self, corners: np.ndarray, places: np.ndarray, triangles: np.ndarray, opacity: float = 1.0) -> None:
        """corners: (n, 2) in the region; places: (n, 2) in the texture, 0 to 1; triangles: (m, 3) numbers of corners."""
        _draw_picture(self._texture, corners, places, triangles, opacity)

    def draw_quad(self, corners: np.ndarray, opacity: float = 1.0) -> None:
        """corners: (4, 2) in the region, counter-clockwise from the picture's lower left one."""
        self.draw(corners, [(0, 0), (1, 0), (1, 1), (0, 1)], [(0, 1, 2), (0, 2, 3)], opacity)


@functools.cache
def _takes_light() -> bool:
    """Whether a picture drawn over an editor has to be linear light, or display values: that differs between Blender's versions.

    Found out once, while drawing: a colour, which Blender converts itself, is compared with a picture, which it does not.
    """
    buffer = gpu.state.active_framebuffer_get()
    corner = corners_of(4, 4)
    grey = gpu.types.GPUTexture((1, 1), format="RGBA16F", data=gpu.types.Buffer("FLOAT", 4, [0.5, 0.5, 0.5, 1.0]))
    _area(corner, (0.5, 0.5, 0.5, 1.0))
    wanted = buffer.read_color(1, 1, 1, 1, 4, 0, "FLOAT").to_list()[0][0][0]
    _draw_picture(grey, corner, corners_of(1, 1), [(0, 1, 2), (0, 2, 3)], 1.0)
    found = buffer.read_color(1, 1, 1, 1, 4, 0, "FLOAT").to_list()[0][0][0]
    return abs(wanted - found) > 0.05


def _draw_picture(texture: gpu.types.GPUTexture, corners: np.ndarray, places: np.ndarray, triangles: np.ndarray, opacity: float) -> None:
    shader = gpu.shader.from_builtin("IMAGE_COLOR")
    content = {"pos": np.asarray(corners, np.float32), "texCoord": np.asarray(places, np.float32)}
    batch = batch_for_shader(shader, "TRIS", content, indices=np.asarray(triangles, np.int32))
    gpu.state.blend_set("ALPHA_PREMULT")
    shader.bind()
    shader.uniform_sampler("image", texture)
    shader.uniform_float("color", (opacity,) * 4)
    batch.draw(shader)
    gpu.state.blend_set("NONE")


def corners_of(width: float, height: float) -> np.ndarray:
    """(4, 2): the corners of a picture, counter-clockwise from the lower left one."""
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)


def draw_line(points: np.ndarray, closed: bool = False, color: tuple[float, float, float, float] = LIGHT) -> None:
    """A thin line through points (n, 2) of the region, with a dark one beneath: seen on every picture."""
    points = np.asarray(points, np.float32)
    if len(points) < 2:
        return
    if closed:
        points = np.concatenate([points, points[:1]])
    _polyline(points, DARK, 3.0)
    _polyline(points, color, 1.4)


def draw_points(points: np.ndarray, size: float, color: tuple[float, float, float, float] = LIGHT) -> None:
    """Squares of that many pixels."""
    for x, y in points:
        for half, tone in ((size / 2 + 1.5, DARK), (size / 2, color)):
            _area(np.array([(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)]), tone)


def draw_cover(corners: np.ndarray, color: tuple[float, float, float, float]) -> None:
    """A quadrilateral (4, 2) of the region in one colour."""
    _area(corners, color)


def circle(middle: np.ndarray, radius: float) -> np.ndarray:
    """(n, 2) points of a circle."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    return np.asarray(middle) + radius * np.stack([np.cos(angle), np.sin(angle)], 1)


def _polyline(points: np.ndarray, color: tuple[float, float, float, float], width: float) -> None:
    shader = gpu.shader.from_builtin("POLYLINE_UNIFORM_COLOR")
    flat = np.column_stack([points, np.zeros(len(points), np.float32)]).astype(np.float32)
    batch = batch_for_shader(shader, "LINE_STRIP", {"pos": flat})
    viewport = gpu.state.viewport_get()
    gpu.state.blend_set("ALPHA")
    shader.bind()
    shader.uniform_float("viewportSize", viewport[2:])
    shader.uniform_float("lineWidth", width * bpy.context.preferences.system.ui_scale)
    shader.uniform_float("color", color)
    batch.draw(shader)
    gpu.state.blend_set("NONE")


def _area(corners: np.ndarray, color: tuple[float, float, float, float]) -> None:
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    content = {"pos": np.asarray(corners, np.float32)}
    batch = batch_for_shader(shader, "TRIS", content, indices=[(0, 1, 2), (0, 2, 3)])
    gpu.state.blend_set("ALPHA")
    shader.bind()
    shader.uniform_float("color", color)
    batch.draw(shader)
    gpu.state.blend_set("NONE")


def _holds(what: bpy.types.Area | bpy.types.Region, x: int, y: int) -> bool:
    return what.x <= x < what.x + what.width and what.y <= y < what.y + what.height
