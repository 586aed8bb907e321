# SPDX-License-Identifier: GPL-3.0-or-later
"""A small scene around the example material: a slab of copper scales with all of its maps plugged in. Blender 4.2 or newer."""

from __future__ import annotations

import bpy
import numpy as np
from board_scene import new_slab, surroundings

MATERIAL = "Copper Scales"


def make_material_scene(maps: dict[str, np.ndarray], target: np.ndarray) -> bpy.types.Scene:
    """Starts a new file with the slab; images are "copper", "copper_normal", … and "copper rough". maps: as `draw_material` gives them."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    new_image("copper rough", target, is_data=False).use_fake_user = True
    slab = new_slab(new_material(maps))
    scene.collection.objects.link(slab)
    bpy.context.view_layer.objects.active = slab
    surroundings(scene)
    scene.objects["Lamp"].data.energy = 240.0
    scene.render.engine = "CYCLES"
    scene.cycles.device, scene.cycles.samples, scene.cycles.use_denoising = "CPU", 48, False
    scene.render.resolution_x, scene.render.resolution_y = 512, 384
    scene.view_settings.view_transform = "Standard"
    return scene


def new_material(maps: dict[str, np.ndarray]) -> bpy.types.Material:
    """Base colour times occlusion; roughness and metal out of the same image; normal map; height."""
    material = bpy.data.materials.new(MATERIAL)
    if not material.use_nodes:  # from 5.0 always set, and setting it warns
        material.use_nodes = True
    nodes = material.node_tree.nodes
    shader = next(node for node in nodes if node.bl_idname == "ShaderNodeBsdfPrincipled")
    output = next(node for node in nodes if node.bl_idname == "ShaderNodeOutputMaterial")
    link = material.node_tree.links.new
    color, orm, normal, height = (_texture(material, f"copper{suffix}", maps[name], name == "base_color", row)
                                  for row, (suffix, name) in enumerate(_IMAGES))  # fmt: skip
    separate = _node(material, "ShaderNodeSeparateColor", -320, 0)
    multiply = _node(material, "ShaderNodeMix", -160, 300)
    multiply.data_type, multiply.blend_type = "RGBA", "MULTIPLY"
    multiply.inputs["Factor"].default_value = 1.0
    first, second = (socket for socket in multiply.inputs if socket.type == "RGBA")
    link(orm, separate.inputs[0])
    link(color, first)
    link(separate.outputs[0], second)
    link(next(socket for socket in multiply.outputs if socket.type == "RGBA"), shader.inputs["Base Color"])
    link(separate.outputs[1], shader.inputs["Roughness"])
    link(separate.outputs[2], shader.inputs["Metallic"])
    tangent = _node(material, "ShaderNodeNormalMap", -320, -300)
    link(normal, tangent.inputs["Color"])
    link(tangent.outputs[0], shader.inputs["Normal"])
    raised = _node(material, "ShaderNodeDisplacement", -320, -600)
    raised.inputs["Scale"].default_value = 0.0  # the normals say it; a renderer that cuts the slab fine can turn it up
    raised.inputs["Midlevel"].default_value = 0.5
    link(height, raised.inputs["Height"])
    link(raised.outputs[0], output.inputs["Displacement"])
    return material


def new_image(name: str, picture: np.ndarray, is_data: bool) -> bpy.types.Image:
    """A packed image of (H, W, 3|4) or (H, W), top row first: data as 32-bit floats, colours as 8 bits of sRGB."""
    height, width = picture.shape[:2]
    rgba = np.ones((height, width, 4), np.float32)
    channels = picture.shape[2] if picture.ndim == 3 else 3
    rgba[..., :channels] = picture if picture.ndim == 3 else picture[..., None]
    image = bpy.data.images.new(name, width, height, alpha=channels == 4, float_buffer=is_data, is_data=is_data)
    image.pixels.foreach_set(rgba[::-1].ravel())
    image.pack()
    return image


_IMAGES = (("", "base_color"), ("_orm", "orm"), ("_normal", "normal"), ("_height", "height"))


def _texture(material: bpy.types.Material, name: str, picture: np.ndarray, is_color: bool, row: int) -> bpy.types.NodeSocket:
    node = _node(material, "ShaderNodeTexImage", -640, 300 - 300 * row)
    node.image = new_image(name, picture, is_data=not is_color)
    return node.outputs["Color"]


def _node(material: bpy.types.Material, kind: str, x: float, y: float) -> bpy.types.Node:
    node = material.node_tree.nodes.new(kind)
    node.location = x, y
    return node
