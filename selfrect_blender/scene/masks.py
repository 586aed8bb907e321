# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a result may differ from its target, as an image: painted, or made of what is transparent, drawn, selected or weighted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import bpy
import numpy as np

from ..edit import masks
from ..edit.boxes import Box
from ..host import pixels
from ..host.engine_source import problems
from . import images, mask_splines, udim

#: identifier, name, description: the items of the operator's property
SOURCES = (
    ("PAINT", "To Paint", "Black everywhere: paint white what may change"),
    ("ALPHA", "Transparent Parts", "White where the target is transparent, such as erased parts"),
    ("DRAWN", "Drawn Mask", "White inside the mask that is drawn in the Image Editor"),
    ("FACES", "Selected Faces", "White where the selected faces of the active object lie in its UV map"),
    ("ISLANDS", "UV Islands", "White inside all UV islands of the active object"),
    ("VERTICES", "Vertex Group", "As white as the active vertex group of the active object is strong"),
)


@dataclass(frozen=True)
class Shape:
    """margin: pixels by which it is made larger. softness: pixels over which its edge fades, inwards. drawn: name of a drawn mask."""

    margin: int = 0
    softness: float = 0.0
    invert: bool = False
    drawn: str = ""


def new(target: bpy.types.Image | None, source: str, shape: Shape, context: bpy.types.Context, what: str = "mask") -> bpy.types.Image:
    """A new packed grey image of the target's size. source: an identifier of SOURCES. Raises Problem bad_input."""
    images.check(target, "target", tiles=True)
    name = f"{images.stem(target.name)} {what}"
    if not udim.is_tiled(target):
        covered = _covered(target, source, shape, context, _Frame(tuple(target.size), tuple(target.size)))
        _check_covered(source, covered.any())
        return image_of(_finished(covered, shape), name)
    tiles = {}
    for group in udim.groups({tile.number: tuple(tile.size) for tile in target.tiles}):
        covered = _covered(target, source, shape, context, _Frame(group.size, group.cell, group.corner, group))
        tiles |= {number: tile[..., 0] for number, tile in udim.cut(covered[..., None], group).items()}
    _check_covered(source, any(tile.any() for tile in tiles.values()))
    return udim.new_image(name, {number: _file_of(_finished(tile, shape)) for number, tile in tiles.items()}, ".png", "Non-Color")


@dataclass(frozen=True)
class _Frame:
    """The canvas: its size and that of a UV tile, (width, height), the tile at its lower left corner (column, row), the tiles it is of."""

    size: tuple[int, int]
    cell: tuple[int, int]
    corner: tuple[int, int] = (0, 0)
    group: udim.Group | None = None


def _finished(covered: np.ndarray, shape: Shape) -> np.ndarray:
    covered = masks.feathered(masks.grown(covered, shape.margin), shape.softness)
    return 1 - covered if shape.invert else covered


def _check_covered(source: str, anything: bool) -> None:
    if source != "PAINT" and not anything:
        raise problems.Problem("bad_input", _EMPTY[source], "Choose another kind of mask, or paint one.")


_EMPTY = {
    "ALPHA": "No part of the target is transparent.",
    "DRAWN": "The drawn mask has no closed curve over the image.",
    "FACES": "No selected face lies on the image.",
    "ISLANDS": "No UV island lies on the image.",
    "VERTICES": "The vertex group has no weight on the image.",
}


def image_of(covered: np.ndarray, name: str) -> bpy.types.Image:
    """(height, width) in [0, 1], bottom row first → a new packed image to be painted on."""
    height, width = covered.shape
    image = bpy.data.images.new(name, width, height, alpha=False, is_data=True)
    images.fill(image, pixels.to_blender(np.repeat(covered[::-1, :, None], 3, axis=2)))
    return image


def _file_of(covered: np.ndarray) -> bytes:
    """The same as a PNG, which Blender writes."""
    image = image_of(covered, "selfrect mask")
    try:
        return image.packed_file.data
    finally:
        bpy.data.images.remove(image)


def islands(context: bpy.types.Context, width: int, height: int, margin: int) -> np.ndarray:
    """(height, width), 1 inside the UV islands of the active object. Raises Problem bad_input."""
    return masks.grown(_faces(context, _Frame((width, height), (width, height)), False), margin)


def _faces(context: bpy.types.Context, frame: _Frame, selected: bool) -> np.ndarray:
    with _unwrapped(context) as mesh:
        corners, polygons = _triangles(mesh, frame)
        if selected:
            chosen = np.empty(len(mesh.polygons), bool)
            mesh.polygons.foreach_get("select", chosen)
            corners = corners[chosen[polygons]]
    return masks.triangles(corners, Box(0, 0, *frame.size))


def drawn_mask(context: bpy.types.Context, name: str = "") -> bpy.types.Mask:
    """The one that was named, else the one that an Image Editor shows, else the only one of the file. Raises Problem bad_input."""
    space = context.space_data
    shown = space.mask if space and space.type == "IMAGE_EDITOR" else None
    only = bpy.data.masks[0] if len(bpy.data.masks) == 1 else None
    found = bpy.data.masks.get(name) if name else shown or only
    if found is None:
        sentence = f"There is no mask “{name}”." if name else "No drawn mask is chosen."
        raise problems.Problem("bad_input", sentence, "Draw one in the Image Editor, in its mode “Mask”, or name it.")
    return found


def _covered(target: bpy.types.Image, source: str, shape: Shape, context: bpy.types.Context, frame: _Frame) -> np.ndarray:
    """(height, width), bottom row first."""
    width, height = frame.size
    if source == "ALPHA":
        pixels = udim.stitched(udim.read(target, "target"), frame.group) if frame.group else images.read(target, "target")
        return 1 - pixels.picture()[::-1, :, 3]
    if source == "DRAWN":
        if frame.group:
            raise problems.Problem("bad_input", "A drawn mask lies over one image, and the target has UDIM tiles.", "Paint the mask.")
        return mask_splines.coverage(drawn_mask(context, shape.drawn), width, height)
    if source in ("FACES", "ISLANDS"):
        return _faces(context, frame, source == "FACES")
    if source == "VERTICES":
        return _weights(context, frame)
    return np.zeros((height, width), np.float32)


def _weights(context: bpy.types.Context, frame: _Frame) -> np.ndarray:
    with _unwrapped(context) as mesh:
        group = context.view_layer.objects.active.vertex_groups.active
        if group is None:
            remedy = "Make one, or paint weights (Weight Paint mode)."
            raise problems.Problem("bad_input", "The active object has no vertex group.", remedy)
        weights = np.zeros(len(mesh.vertices), np.float32)
        for vertex in mesh.vertices:
            weights[vertex.index] = next((entry.weight for entry in vertex.groups if entry.group == group.index), 0)
        corners, _ = _triangles(mesh, frame)
        vertices = np.empty(len(mesh.loop_triangles) * 3, np.int32)
        mesh.loop_triangles.foreach_get("vertices", vertices)
    return masks.shaded(corners, weights[vertices].reshape(-1, 3), Box(0, 0, *frame.size))


@contextmanager
def _unwrapped(context: bpy.types.Context) -> Iterator[bpy.types.Mesh]:
    """The active object's mesh; in Edit Mode, where Blender shows no UV map to Python, a copy of what it is by now."""
    owner = context.view_layer.objects.active
    if owner is None or owner.type != "MESH" or not (owner.mode == "EDIT" or owner.data.uv_layers.active):
        raise problems.Problem(
            "bad_input", "The active object has no UV map.", "Select a mesh that is unwrapped (UV > Unwrap in Edit Mode)."
        )
    edited = owner.mode == "EDIT"
    if edited:
        owner.update_from_editmode()
    mesh = owner.data.copy() if edited else owner.data
    try:
        if mesh.uv_layers.active is None or not len(mesh.polygons):
            raise problems.Problem("bad_input", "The active object has no UV map.", "Unwrap it first (UV > Unwrap in Edit Mode).")
        yield mesh
    finally:
        if edited:
            bpy.data.meshes.remove(mesh)


def _triangles(mesh: bpy.types.Mesh, frame: _Frame) -> tuple[np.ndarray, np.ndarray]:
    """Corners (n, 3, 2) in pixels of the canvas, and which polygon each triangle is of."""
    mesh.calc_loop_triangles()
    loops, polygons = np.empty(len(mesh.loop_triangles) * 3, np.int32), np.empty(len(mesh.loop_triangles), np.int32)
    mesh.loop_triangles.foreach_get("loops", loops)
    mesh.loop_triangles.foreach_get("polygon_index", polygons)
    places = np.empty(len(mesh.loops) * 2, np.float32)
    mesh.uv_layers.active.data.foreach_get("uv", places)
    return (places.reshape(-1, 2)[loops].reshape(-1, 3, 2) - frame.corner) * frame.cell, polygons
