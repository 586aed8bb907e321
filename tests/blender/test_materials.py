# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying a result: the right node gets it, everything else in the material stays, and what cannot be done is refused."""

from __future__ import annotations

import bpy
import pytest
from shader_nodes import add, color_of, new_group, new_material, principled, snapshot, texture


@pytest.fixture
def result(extension, new_image):
    return new_image(32, 32, name="result")[0]


@pytest.fixture
def old(extension, new_image):
    return new_image(32, 32, name="old")[0]


def test_swaps_the_image_and_keeps_mapping_uv_and_interpolation(extension, result, old):
    material = new_material()
    tree = material.node_tree
    uv = add(tree, "UVMap")
    uv.uv_map = "second"
    mapping = add(tree, "Mapping", Vector=uv.outputs[0])
    mapping.inputs["Scale"].default_value = (2, 3, 1)
    node = texture(tree, old)
    node.interpolation, node.extension, node.projection = "Closest", "MIRROR", "BOX"
    tree.links.new(mapping.outputs[0], node.inputs[0])
    tree.links.new(node.outputs["Color"], color_of(material))
    nodes, links = snapshot(material)
    applied = extension.materials.apply(material, result)
    assert snapshot(material) == (nodes | {node.name: result}, links)
    assert (node.interpolation, node.extension, node.projection) == ("Closest", "MIRROR", "BOX")
    assert tuple(mapping.inputs["Scale"].default_value) == (2, 3, 1)
    assert applied.as_dict() == {"material": "wood", "node": node.name, "image": "result", "previous": "old", "maps": {}}


def through_mix(tree, node):
    mix = add(tree, "Mix")
    mix.data_type = "RGBA"
    other = add(tree, "TexNoise")
    factor = texture(tree, bpy.data.images.new("mask", 8, 8))  # must not be taken for the colour
    tree.links.new(factor.outputs["Color"], mix.inputs[0])
    colors = [socket for socket in mix.inputs if socket.type == "RGBA"]
    tree.links.new(other.outputs["Color"], colors[0])
    tree.links.new(node.outputs["Color"], colors[1])
    return next(socket for socket in mix.outputs if socket.type == "RGBA")


def through_old_mix(tree, node):
    return add(tree, "MixRGB", Color2=node.outputs["Color"]).outputs[0]


def through_reroutes(tree, node):
    output = node.outputs["Color"]
    for _ in range(3):
        reroute = tree.nodes.new("NodeReroute")
        tree.links.new(output, reroute.inputs[0])
        output = reroute.outputs[0]
    return output


def through_curves(tree, node):
    curve = add(tree, "RGBCurve", Color=node.outputs["Color"])
    return add(tree, "HueSaturation", Color=curve.outputs[0]).outputs[0]


def through_group(tree, node):
    """The image outside, a group that brightens, and in it another group that does nothing."""
    inner, start, end = new_group("inner")
    inner.links.new(start.outputs[0], end.inputs[0])
    outer, start, end = new_group("outer")
    within = outer.nodes.new("ShaderNodeGroup")
    within.node_tree = inner
    outer.links.new(start.outputs[0], within.inputs[0])
    outer.links.new(add(outer, "Gamma", Color=within.outputs[0]).outputs[0], end.inputs[0])
    group = tree.nodes.new("ShaderNodeGroup")
    group.node_tree = outer
    tree.links.new(node.outputs["Color"], group.inputs[0])
    return group.outputs[0]


@pytest.mark.parametrize("way", [through_mix, through_old_mix, through_reroutes, through_curves, through_group])
def test_finds_the_image_through(extension, result, old, way):
    material = new_material()
    node = texture(material.node_tree, old)
    material.node_tree.links.new(way(material.node_tree, node), color_of(material))
    nodes, links = snapshot(material)
    extension.materials.apply(material, result)
    assert snapshot(material) == (nodes | {node.name: result}, links)


def test_finds_the_image_inside_a_group_and_tells_of_its_other_users(extension, result, old):
    group, _, end = new_group()
    node = texture(group, old)
    group.links.new(node.outputs["Color"], end.inputs[0])
    for name in ("one", "two"):
        material = new_material(name)
        holder = material.node_tree.nodes.new("ShaderNodeGroup")
        holder.node_tree = group
        material.node_tree.links.new(holder.outputs[0], color_of(material))
    applied = extension.materials.apply(material, result)
    assert node.image == result
    assert "changes for “one” too" in applied.sentence


def test_finds_the_principled_behind_mixed_shaders(extension, result):
    material = new_material()
    tree = material.node_tree
    output = next(node for node in tree.nodes if node.type == "OUTPUT_MATERIAL")
    mix = add(tree, "MixShader")
    tree.links.new(add(tree, "BsdfTransparent").outputs[0], mix.inputs[1])
    tree.links.new(principled(material).outputs[0], mix.inputs[2])
    tree.links.new(mix.outputs[0], output.inputs["Surface"])
    extension.materials.apply(material, result)
    assert color_of(material).links[0].from_node.image == result


def test_of_several_images_the_one_with_the_reference(extension, result, old, new_image):
    reference = new_image(32, 32, name="reference")[0]
    material = new_material()
    tree = material.node_tree
    first, second = texture(tree, old), texture(tree, reference)
    mix = add(tree, "MixRGB", Color1=first.outputs["Color"], Color2=second.outputs["Color"])
    tree.links.new(mix.outputs[0], color_of(material))
    extension.materials.apply(material, result, reference)
    assert (first.image, second.image) == (old, result)


def test_the_same_picture_elsewhere_in_the_material_changes_too(extension, result, old):
    material = new_material()
    tree = material.node_tree
    first, second = texture(tree, old), texture(tree, old)
    tree.links.new(first.outputs["Color"], color_of(material))
    bump = add(tree, "Bump", Height=second.outputs["Color"])
    tree.links.new(bump.outputs[0], principled(material).inputs["Normal"])
    extension.materials.apply(material, result)
    assert (first.image, second.image) == (result, result)


@pytest.mark.parametrize("before", ["nothing", "noise"])
def test_builds_coordinate_mapping_and_image_where_there_is_none(extension, result, before):
    material = new_material()
    if before == "noise":
        material.node_tree.links.new(add(material.node_tree, "TexNoise").outputs["Color"], color_of(material))
    extension.materials.apply(material, result)
    node = color_of(material).links[0].from_node
    mapping = node.inputs["Vector"].links[0].from_node
    coordinate = mapping.inputs["Vector"].links[0]
    assert (node.type, node.image, mapping.type) == ("TEX_IMAGE", result, "MAPPING")
    assert (coordinate.from_node.type, coordinate.from_socket.name) == ("TEX_COORD", "UV")


def test_builds_outside_a_group_whose_color_input_is_open(extension, result):
    group = bpy.data.node_groups.new("shader", "ShaderNodeTree")
    group.interface.new_socket("Paint", in_out="INPUT", socket_type="NodeSocketColor")
    group.interface.new_socket("Shader", in_out="OUTPUT", socket_type="NodeSocketShader")
    start, end = group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput")
    inside = add(group, "BsdfPrincipled")
    group.links.new(start.outputs[0], inside.inputs["Base Color"])
    group.links.new(inside.outputs[0], end.inputs[0])
    material = new_material()
    tree = material.node_tree
    holder = tree.nodes.new("ShaderNodeGroup")
    holder.node_tree = group
    output = next(node for node in tree.nodes if node.type == "OUTPUT_MATERIAL")
    tree.links.new(holder.outputs[0], output.inputs["Surface"])
    extension.materials.apply(material, result)
    assert holder.inputs["Paint"].links[0].from_node.image == result


def test_a_material_without_any_nodes_gets_them(extension, result):
    material = new_material()
    material.node_tree.nodes.clear()
    extension.materials.apply(material, result)
    assert color_of(material).links[0].from_node.image == result
    assert principled(material).outputs[0].links[0].to_node.type == "OUTPUT_MATERIAL"
    if bpy.app.version < (5, 0):
        plain = bpy.data.materials.new("plain")
        extension.materials.apply(plain, result)
        assert plain.use_nodes
        assert color_of(plain).links[0].from_node.image == result


def test_another_shader_than_principled_is_refused(extension, result):
    material = new_material()
    tree = material.node_tree
    output = next(node for node in tree.nodes if node.type == "OUTPUT_MATERIAL")
    tree.links.new(add(tree, "Emission").outputs[0], output.inputs["Surface"])
    before = snapshot(material)
    with pytest.raises(extension.problems.Problem, match="no Principled BSDF"):
        extension.materials.apply(material, result)
    assert snapshot(material) == before


def test_operator_takes_the_active_object_and_makes_its_material(extension, result):
    with pytest.raises(RuntimeError, match="no active object"):
        bpy.ops.selfrect.apply_to_material(image="result")
    bpy.ops.object.camera_add()
    with pytest.raises(RuntimeError, match="cannot have a material"):
        bpy.ops.selfrect.apply_to_material(image="result")
    bpy.ops.mesh.primitive_plane_add()
    with pytest.raises(RuntimeError, match="no result yet"):
        bpy.ops.selfrect.apply_to_material()
    assert bpy.context.object.active_material is None
    bpy.context.scene.selfrect.result = result
    assert bpy.ops.selfrect.apply_to_material() == {"FINISHED"}
    assert color_of(bpy.context.object.active_material).links[0].from_node.image == result
    new_material("other")
    bpy.ops.selfrect.apply_to_material(image="result", material="other")
    assert color_of(bpy.data.materials["other"]).links[0].from_node.image == result
    with pytest.raises(RuntimeError, match="no material “absent”"):
        bpy.ops.selfrect.apply_to_material(image="result", material="absent")
