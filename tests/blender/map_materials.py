# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials with maps, as artists and importers build them. Each takes `picture(name, data=True)`, which makes an image."""

from __future__ import annotations

import bpy
from shader_nodes import add, color_of, new_group, new_material, principled, texture


def output_of(material):
    return next(node for node in material.node_tree.nodes if node.type == "OUTPUT_MATERIAL")


def plug(material, image, socket, *through, channel="Color"):
    """image → one node after the other → an input of the Principled BSDF, or of the output."""
    tree = material.node_tree
    value = texture(tree, image).outputs[channel]
    for kind, name in through:
        value = add(tree, kind, **{name: value}).outputs[0]
    ends = output_of(material) if socket == "Displacement" else principled(material)
    tree.links.new(value, ends.inputs[socket])


def with_base(picture):
    material = new_material()
    plug(material, picture("base", data=False), "Base Color")
    return material


def separate_maps(picture):
    material = with_base(picture)
    plug(material, picture("n"), "Normal", ("NormalMap", "Color"))
    plug(material, picture("r"), "Roughness")
    plug(material, picture("m"), "Metallic", ("Gamma", "Color"))
    plug(material, picture("h"), "Displacement", ("Displacement", "Height"))
    plug(material, picture("e", data=False), "Emission Color")
    plug(material, picture("o"), "Alpha")
    return material, {"normal": "n", "roughness": "r", "metallic": "m", "height": "h", "emission": "e", "opacity": "o"}


def packed(picture):
    """Red multiplied into the colour, green the roughness, blue the metal; a bump over the normal map; gloss in the coat."""
    material = new_material()
    tree = material.node_tree
    separate = add(tree, "SeparateColor", Color=texture(tree, picture("arm")).outputs["Color"])
    mix = add(tree, "Mix")
    mix.data_type, mix.blend_type = "RGBA", "MULTIPLY"
    colors = [socket for socket in mix.inputs if socket.type == "RGBA"]
    tree.links.new(texture(tree, picture("base", data=False)).outputs["Color"], colors[0])
    tree.links.new(separate.outputs[0], colors[1])
    tree.links.new(next(socket for socket in mix.outputs if socket.type == "RGBA"), color_of(material))
    shader = principled(material)
    tree.links.new(separate.outputs[1], shader.inputs["Roughness"])
    tree.links.new(separate.outputs[2], shader.inputs["Metallic"])
    normal = add(tree, "NormalMap", Color=texture(tree, picture("n")).outputs["Color"])
    bump = add(tree, "Bump", Normal=normal.outputs[0], Height=texture(tree, picture("b")).outputs["Color"])
    tree.links.new(bump.outputs[0], shader.inputs["Normal"])
    plug(material, picture("g"), "Coat Roughness", ("Invert", "Color"))
    return material, {"orm": "arm", "normal": "n", "bump": "b", "coat_roughness_inverted": "g"}


def in_group(picture):
    """The whole shader in a group, the roughness beside it, and glTF's group for the occlusion."""
    group, _, _ = new_group("shader")
    group.nodes.clear()
    group.interface.clear()
    group.interface.new_socket("Rough", in_out="INPUT", socket_type="NodeSocketFloat")
    group.interface.new_socket("Shader", in_out="OUTPUT", socket_type="NodeSocketShader")
    start, end, inside = group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput"), add(group, "BsdfPrincipled")
    group.links.new(inside.outputs[0], end.inputs[0])
    group.links.new(start.outputs[0], inside.inputs["Roughness"])
    group.links.new(texture(group, picture("base", data=False)).outputs["Color"], inside.inputs["Base Color"])
    group.links.new(texture(group, picture("m")).outputs["Color"], inside.inputs["Metallic"])
    material = new_material()
    tree = material.node_tree
    tree.nodes.remove(principled(material))
    holder = tree.nodes.new("ShaderNodeGroup")
    holder.node_tree = group
    tree.links.new(holder.outputs[0], output_of(material).inputs["Surface"])
    tree.links.new(texture(tree, picture("r")).outputs["Color"], holder.inputs[0])
    export = bpy.data.node_groups.new("glTF Material Output", "ShaderNodeTree")
    export.interface.new_socket("Occlusion", in_out="INPUT", socket_type="NodeSocketFloat")
    exporter = tree.nodes.new("ShaderNodeGroup")
    exporter.node_tree = export
    tree.links.new(texture(tree, picture("a")).outputs["Color"], exporter.inputs[0])
    return material, {"metallic": "m", "roughness": "r", "ao": "a"}


def directx(picture):
    """A normal map whose green is turned over in nodes; the base image's own alpha; a mask between two roughnesses."""
    material = with_base(picture)
    tree, shader = material.node_tree, principled(material)
    base = color_of(material).links[0].from_node
    tree.links.new(base.outputs["Alpha"], shader.inputs["Alpha"])
    parts = add(tree, "SeparateColor", Color=texture(tree, picture("dx")).outputs["Color"])
    flipped = add(tree, "Invert", Color=parts.outputs[1])
    whole = add(tree, "CombineColor", Red=parts.outputs[0], Green=flipped.outputs[0], Blue=parts.outputs[2])
    tree.links.new(add(tree, "NormalMap", Color=whole.outputs[0]).outputs[0], shader.inputs["Normal"])
    mix = add(tree, "Mix")
    floats = [socket for socket in mix.inputs if socket.enabled]
    for socket, name in zip(floats, ("mask", "r", "s"), strict=True):
        tree.links.new(texture(tree, picture(name)).outputs["Color"], socket)
    tree.links.new(next(socket for socket in mix.outputs if socket.enabled), shader.inputs["Roughness"])
    return material, {"normal": "dx", "opacity": "base", "mask": "mask", "roughness": "r", "roughness_2": "s"}


ALL = [separate_maps, packed, in_group, directx]
