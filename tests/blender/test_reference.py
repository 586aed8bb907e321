# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference that is meant without being chosen: active node, paint slot, material."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import bpy
import pytest
from shader_nodes import add, color_of, new_group, new_material, principled, texture

UI = "bl_ext.user_default.selfrect_blender.selfrect_blender"


@pytest.fixture
def reference(extension):
    return importlib.import_module(f"{UI}.scene.reference")


@pytest.fixture
def bark(extension, new_image):
    return new_image(name="bark")[0]


def on_a_plane(material):
    bpy.ops.mesh.primitive_plane_add()
    bpy.context.object.active_material = material


def test_the_image_of_the_base_color_through_corrections_mixes_and_groups(reference, bark):
    material = new_material("Bark")
    tree = material.node_tree
    group, start, end = new_group()
    group.links.new(add(group, "Gamma", Color=start.outputs[0]).outputs[0], end.inputs[0])
    holder = tree.nodes.new("ShaderNodeGroup")
    holder.node_tree = group
    curves = add(tree, "RGBCurve", Color=texture(tree, bark).outputs["Color"])
    tree.links.new(add(tree, "MixRGB", Color2=curves.outputs[0]).outputs[0], holder.inputs[0])
    tree.links.new(holder.outputs[0], color_of(material))
    on_a_plane(material)
    found = reference.find(bpy.context)
    assert (found.image, found.kind, found.name) == (bark, "MATERIAL", "Bark")


@pytest.mark.parametrize("kind", ["Principled", "Emission", "BsdfDiffuse"])
def test_else_what_shines_or_colours(reference, bark, kind):
    material = new_material()
    tree = material.node_tree
    if kind == "Principled":
        socket = principled(material).inputs["Emission Color"]
    else:
        shader = add(tree, kind)
        tree.links.new(shader.outputs[0], next(n for n in tree.nodes if n.type == "OUTPUT_MATERIAL").inputs["Surface"])
        socket = shader.inputs["Color"]
    tree.links.new(texture(tree, bark).outputs["Color"], socket)
    on_a_plane(material)
    assert reference.find(bpy.context).image == bark


def test_reasons(reference, bark):
    assert reference.find(bpy.context).reason == "There is no active material."
    on_a_plane(new_material("bare"))
    assert "“bare”" in reference.find(bpy.context).reason
    with pytest.raises(RuntimeError, match="No image gives the material “bare” its colour"):
        bpy.ops.selfrect.reference_from_material()


def test_the_active_image_node_of_the_shader_editor_comes_first(reference, bark, new_image):
    material = new_material()
    tree = material.node_tree
    tree.links.new(texture(tree, bark).outputs["Color"], color_of(material))
    loose = texture(tree, new_image(name="loose")[0])
    tree.nodes.active, loose.select = loose, True
    space = SimpleNamespace(type="NODE_EDITOR", tree_type="ShaderNodeTree", edit_tree=tree, id=material)
    context = SimpleNamespace(space_data=space, mode="OBJECT", view_layer=bpy.context.view_layer)
    found = reference.find(context)
    assert (found.image.name, found.kind) == ("loose", "NODE")
    loose.select = False
    assert reference.find(context).image == bark


def test_the_paint_slot_in_texture_paint_mode(reference, bark, new_image):
    paint = SimpleNamespace(mode="IMAGE", canvas=bark)
    scene = SimpleNamespace(tool_settings=SimpleNamespace(image_paint=paint))
    context = SimpleNamespace(space_data=None, mode="PAINT_TEXTURE", scene=scene, view_layer=bpy.context.view_layer)
    assert reference.find(context).image == bark
    paint.mode = "MATERIAL"
    slots = SimpleNamespace(texture_paint_images=[bark, new_image(name="second")[0]], paint_active_slot=1, node_tree=None)
    slots.selfrect = SimpleNamespace(applied=None)
    context.view_layer = SimpleNamespace(objects=SimpleNamespace(active=SimpleNamespace(active_material=slots)))
    assert reference.find(context).image.name == "second"


def test_an_applied_result_looks_back_at_what_it_replaced(reference, extension, bark, new_image):
    material = new_material()
    material.node_tree.links.new(texture(material.node_tree, bark).outputs["Color"], color_of(material))
    on_a_plane(material)
    extension.materials.apply(material, new_image(name="result")[0])
    assert reference.find(bpy.context).image == bark


def test_an_applied_result_that_replaced_nothing_looks_back_at_its_own_reference(reference, extension, bark, new_image):
    target, result = new_image(name="rough")[0], new_image(name="result")[0]
    importlib.import_module(f"{UI}.scene.history").add(target, result, bark, {}, {}, 1)
    material = new_material()
    on_a_plane(material)
    extension.materials.apply(material, result)
    assert reference.find(bpy.context).image == bark


def test_it_is_used_where_none_is_chosen(reference, bark):
    material = new_material()
    material.node_tree.links.new(texture(material.node_tree, bark).outputs["Color"], color_of(material))
    on_a_plane(material)
    bpy.ops.selfrect.new_target()
    assert bpy.context.scene.selfrect.target.name == "bark target"
    bpy.ops.selfrect.reference_from_material()
    assert bpy.context.scene.selfrect.reference == bark
