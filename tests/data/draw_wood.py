# SPDX-License-Identifier: GPL-3.0-or-later
"""A wooden board with knots, from Blender's procedural nodes: grain that flows around the knots, sapwood to heartwood."""

from __future__ import annotations

import bpy
import numpy as np
from shader_formulas import Formulas, Socket

# Knots: centre x and y on the plane (which reaches from -1 to 1), radius.
KNOTS = ((-0.40, 0.34, 0.15), (0.52, -0.42, 0.10))
RINGS = 9.0  # year rings from y = 0 to y = 1
# Linear RGB
EARLYWOOD, LATEWOOD = (0.60, 0.33, 0.13), (0.17, 0.06, 0.018)
HEARTWOOD_TINT = (0.62, 0.40, 0.30, 1.0)
KNOT_LIGHT, KNOT_DARK = (0.17, 0.062, 0.020), (0.030, 0.012, 0.006)


def draw_wood(size: int) -> np.ndarray:
    """Renders the board. Returns (size, size, 3) float32, sRGB in [0, 1], top row first."""
    scene = _studio(size)
    bpy.ops.mesh.primitive_plane_add(size=2.0)
    material = bpy.data.materials.new("Board")
    material.use_nodes = True
    material.node_tree.nodes.clear()
    f = Formulas(material.node_tree)
    emission = f.add("ShaderNodeEmission", {"Color": _colour(f)})
    f.add("ShaderNodeOutputMaterial", {"Surface": emission.outputs[0]})
    bpy.context.object.data.materials.append(material)
    return _render(scene, size)


def _colour(f: Formulas) -> Socket:
    """The board's colour at each point."""
    position = f.add("ShaderNodeNewGeometry", {}).outputs["Position"]
    axes = f.add("ShaderNodeSeparateXYZ", {"Vector": position}).outputs
    grain, depth = _grain(f, axes["X"], axes["Y"], waves=f.times(f.noise(position, 1.1, 2.0), 0.5))
    fibres = f.noise(f.vector(f.times(axes["X"], 1.6), f.times(grain, 26.0)), 2.0, 5.0, 0.75)
    uneven = f.times(f.noise(f.vector(0.0, grain), 5.0, 1.0), 1.6)  # years are not alike
    year = f.math("FRACT", f.plus(f.times(grain, RINGS), uneven, f.times(fibres, 0.4)))
    wood = f.ramp(year, [(0.0, EARLYWOOD), (0.3, EARLYWOOD), (0.84, LATEWOOD), (0.92, LATEWOOD), (1.0, EARLYWOOD)])
    wood = f.mix(f.rise(grain, 0.6, -0.7), wood, HEARTWOOD_TINT, "MULTIPLY")
    pores = f.noise(f.vector(f.times(axes["X"], 5.0), f.times(grain, 80.0)), 2.0, 1.0)
    shade = f.plus(1.0, f.times(fibres, 2.2), f.times(f.rise(pores, 0.12, 0.24), -0.35))
    return _with_knots(f, position, depth, f.mix(1.0, wood, f.grey(shade), "MULTIPLY"))


def _grain(f: Formulas, x: Socket, y: Socket, waves: Socket) -> tuple[Socket, Socket]:
    """Grain as a stream past round obstacles, ψ = y - Σ (y - c) R² / max(r², R²).

    Returns ψ, constant along a fibre, and the depth inside a knot: 1 at its centre, 0 outside.
    """
    grain, depth = f.plus(y, waves), 0.0
    for centre_x, centre_y, radius in KNOTS:
        dx, dy = f.minus(x, centre_x), f.minus(y, centre_y)
        square = f.plus(f.times(dx, dx, 0.6), f.times(dy, dy))  # a knot is a little longer along the grain
        bend = f.over(1.3 * radius**2, f.math("MAXIMUM", square, radius**2))
        grain = f.minus(grain, f.times(dy, bend))
        depth = f.math("MAXIMUM", f.minus(1.0, f.over(f.math("SQRT", square), radius)), depth)
    return grain, depth


def _with_knots(f: Formulas, position: Socket, depth: Socket, wood: Socket) -> Socket:
    """Lays the knots over the wood: rings of their own, dark lines between them, a soft rim."""
    wobble = f.noise(position, 7.0, 5.0)
    rings = f.math("FRACT", f.plus(f.times(depth, 3.2), f.times(wobble, 0.9)))
    knot = f.ramp(rings, [(0.0, KNOT_DARK), (0.25, KNOT_LIGHT), (0.75, KNOT_LIGHT), (1.0, KNOT_DARK)])
    knot = f.mix(f.rise(depth, 0.45, 1.1), knot, (*KNOT_DARK, 1.0))
    return f.mix(f.rise(f.plus(depth, f.times(wobble, 0.25)), 0.0, 0.16), wood, knot)


def _studio(size: int) -> bpy.types.Scene:
    """An empty scene with a camera straight above the plane, which keeps colours as they are."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(scene.camera)
    scene.camera.data.type, scene.camera.data.ortho_scale, scene.camera.location.z = "ORTHO", 2.0, 3.0
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 16, False
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.view_settings.view_transform = "Standard"
    return scene


def _render(scene: bpy.types.Scene, size: int) -> np.ndarray:
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = bpy.app.tempdir + "board.png"
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(scene.render.filepath)
    pixels = np.empty(size * size * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    return pixels.reshape(size, size, 4)[::-1, :, :3].copy()
