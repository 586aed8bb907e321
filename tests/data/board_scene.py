# SPDX-License-Identifier: GPL-3.0-or-later
"""A small scene around the example: a wooden slab whose material shows the reference, ready for the result. Blender 4.2 or newer."""

from __future__ import annotations

import math
from pathlib import Path

import bpy
from mathutils import Vector

MATERIAL = "Board"


def make_board_scene(reference: Path, target: Path) -> bpy.types.Scene:
    """Starts a new file with the slab, light, camera and both pictures in it (named as their files); Cycles on the CPU."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    bpy.data.images.load(str(target)).use_fake_user = True
    slab = new_slab(_material(bpy.data.images.load(str(reference))))
    scene.collection.objects.link(slab)
    bpy.context.view_layer.objects.active = slab
    surroundings(scene)
    scene.render.engine = "CYCLES"
    scene.cycles.device, scene.cycles.samples, scene.cycles.use_denoising = "CPU", 40, False
    scene.render.resolution_x, scene.render.resolution_y = 512, 384
    scene.view_settings.view_transform = "Standard"
    return scene


def render(scene: bpy.types.Scene, path: Path) -> None:
    """Renders the scene into a PNG file."""
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def _material(image: bpy.types.Image) -> bpy.types.Material:
    material = bpy.data.materials.new(MATERIAL)
    if not material.use_nodes:  # from 5.0 always set, and setting it warns
        material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = next(node for node in nodes if node.bl_idname == "ShaderNodeBsdfPrincipled")
    shader.inputs["Roughness"].default_value = 0.45
    texture = nodes.new("ShaderNodeTexImage")
    texture.image, texture.location = image, (-320.0, 280.0)
    links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    return material


def new_slab(material: bpy.types.Material) -> bpy.types.Object:
    """A board of 2 × 2 × 0.3 whose top shows the whole picture; its sides show strips of it at the same scale."""
    mesh = bpy.data.meshes.new("Slab")
    corners = [(x, y, z) for z in (0.0, 0.3) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    sides = [(i, (i + 1) % 4, (i + 1) % 4 + 4, i + 4) for i in range(4)]
    mesh.from_pydata(corners, [], [(3, 2, 1, 0), (4, 5, 6, 7), *sides])
    coordinates = mesh.uv_layers.new(name="UVMap").data
    for polygon in mesh.polygons:
        height = 1.0 if abs(polygon.normal.z) > 0.5 else 0.15
        for loop, uv in zip(polygon.loop_indices, ((0, 0), (1, 0), (1, height), (0, height)), strict=True):
            coordinates[loop].uv = uv
    mesh.materials.append(material)
    slab = bpy.data.objects.new("Slab", mesh)
    bevel = slab.modifiers.new("Bevel", "BEVEL")
    bevel.width, bevel.segments = 0.03, 3
    slab.rotation_euler.z = math.radians(-24.0)
    return slab


def surroundings(scene: bpy.types.Scene) -> None:
    """Ground, one soft lamp, a light grey sky and the camera."""
    ground = bpy.data.meshes.new("Ground")
    ground.from_pydata([(-9, -9, 0), (9, -9, 0), (9, 9, 0), (-9, 9, 0)], [], [(0, 1, 2, 3)])
    scene.collection.objects.link(bpy.data.objects.new("Ground", ground))

    light = bpy.data.lights.new("Lamp", "AREA")
    light.energy, light.size = 170.0, 2.5
    _place(scene, bpy.data.objects.new("Lamp", light), Vector((-2.6, 1.8, 3.4)))

    camera = bpy.data.cameras.new("Camera")
    camera.lens = 50.0
    scene.camera = _place(scene, bpy.data.objects.new("Camera", camera), Vector((0.0, -3.4, 3.7)))

    scene.world = bpy.data.worlds.new("Sky")
    scene.world.color = (0.25, 0.26, 0.28)


def _place(scene: bpy.types.Scene, thing: bpy.types.Object, location: Vector) -> bpy.types.Object:
    """Links thing into the scene at location, looking at the slab."""
    thing.location = location
    thing.rotation_euler = (Vector((0.0, -0.05, 0.15)) - location).to_track_quat("-Z", "Y").to_euler()
    scene.collection.objects.link(thing)
    return thing
