# SPDX-License-Identifier: GPL-3.0-or-later
"""Node groups that others use, and materials and groups that are linked from another file: copies, or a word why not."""

from __future__ import annotations

import importlib

import bpy
import pytest
from shader_nodes import color_of, new_group, new_material, snapshot, texture

UI = "bl_ext.user_default.selfrect_blender.selfrect_blender"


@pytest.fixture
def reverts(extension):
    return importlib.import_module(f"{UI}.scene.reverts")


def holder_of(material, group):
    holder = material.node_tree.nodes.new("ShaderNodeGroup")
    holder.node_tree = group
    material.node_tree.links.new(holder.outputs[0], color_of(material))
    return holder


@pytest.fixture
def library(extension, new_image, tmp_path):
    """A file with a material on a plane, a node group with an image; then an empty file again, linked to it."""
    old = new_image(32, 32, name="old")[0]
    old.pack()
    material = new_material("linked")
    material.node_tree.links.new(texture(material.node_tree, old).outputs["Color"], color_of(material))
    group, _, end = new_group("linked group")
    group.links.new(texture(group, old).outputs["Color"], end.inputs[0])
    group.use_fake_user = True
    bpy.ops.mesh.primitive_plane_add()
    bpy.context.object.name = bpy.context.object.data.name = "plane"
    bpy.context.object.active_material = material
    path = str(tmp_path / "library.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)

    def link(**names):
        with bpy.data.libraries.load(path, link=True) as (_, wanted):
            for kind, name in names.items():
                setattr(wanted, kind, [name])
        return bpy.data.images.new("result", 32, 32)

    return link


def plane_with(material):
    bpy.ops.mesh.primitive_plane_add()
    bpy.context.object.active_material = material
    return bpy.context.object


def test_a_linked_material_on_own_objects_becomes_a_local_copy(extension, reverts, library):
    result = library(materials="linked")
    linked = bpy.data.materials["linked"]
    planes = [plane_with(linked) for _ in range(2)]
    before = snapshot(linked)
    applied = extension.materials.apply(linked, result)
    assert "local copy" in applied.sentence
    local = planes[0].active_material
    assert local == planes[1].active_material != linked
    assert local.library is None
    assert color_of(local).links[0].from_node.image == result
    assert snapshot(linked) == before
    reverts.revert(local)
    assert [plane.active_material for plane in planes] == [linked, linked]
    assert [material for material in bpy.data.materials if material.library is None] == []


def test_on_an_own_object_with_a_linked_mesh_the_slot_becomes_the_objects(extension, reverts, library):
    result = library(meshes="plane")
    thing = bpy.data.objects.new("own", bpy.data.meshes["plane"])
    bpy.context.scene.collection.objects.link(thing)
    linked = thing.active_material
    extension.materials.apply(linked, result)
    assert thing.active_material.library is None
    assert thing.material_slots[0].link == "OBJECT"
    assert bpy.data.meshes["plane"].materials[0] == linked
    reverts.revert(thing.active_material)
    assert (thing.active_material, thing.material_slots[0].link) == (linked, "DATA")


def test_where_the_object_is_linked_too_it_says_why_not(extension, library):
    result = library(objects="plane")
    linked = bpy.data.materials["linked"]
    before = snapshot(linked)
    with pytest.raises(extension.problems.Problem, match=r"linked from .*library\.blend.* so is every object"):
        extension.materials.apply(linked, result)
    assert snapshot(linked) == before
    assert len(bpy.data.materials) == 1


def test_an_overridden_material_becomes_a_local_copy(extension, reverts, library):
    result = library(materials="linked")
    linked = bpy.data.materials["linked"]
    override = linked.override_create()
    plane = plane_with(override)
    extension.materials.apply(override, result)
    local = plane.active_material
    assert local.library is None
    assert local.override_library is None
    assert color_of(local).links[0].from_node.image == result
    reverts.revert(local)
    assert plane.active_material == override


def test_a_linked_group_becomes_a_local_copy(extension, reverts, library):
    result = library(node_groups="linked group")
    group = bpy.data.node_groups["linked group"]
    material = new_material("own")
    holder = holder_of(material, group)
    extension.materials.apply(material, result)
    assert holder.node_tree.library is None
    assert [node.image for node in holder.node_tree.nodes if node.type == "TEX_IMAGE"] == [result]
    assert [node.image.name for node in group.nodes if node.type == "TEX_IMAGE"] == ["old"]
    reverts.revert(material)
    assert holder.node_tree == group
    assert [tree.name for tree in bpy.data.node_groups if tree.library is None] == []


def test_a_shared_group_changes_for_all_and_is_named_or_is_copied_on_request(extension, reverts, new_image):
    old, result = new_image(name="old")[0], new_image(name="result")[0]
    group, _, end = new_group()
    node = texture(group, old)
    group.links.new(node.outputs["Color"], end.inputs[0])
    materials = [new_material(name) for name in ("one", "two")]
    holders = [holder_of(material, group) for material in materials]
    applied = extension.materials.apply(materials[0], result)
    assert "“two”" in applied.sentence
    assert node.image == result
    reverts.revert(materials[0])
    assert node.image == old
    applied = extension.materials.apply(materials[0], result, single_user=True)
    assert "“two”" not in applied.sentence
    assert node.image == old
    assert holders[1].node_tree == group != holders[0].node_tree
    extension.materials.apply(materials[0], result, single_user=True)
    assert len(bpy.data.node_groups) == 2, "a copy of its own is not copied again"
    reverts.revert(materials[0])
    assert holders[0].node_tree == group
    assert len(bpy.data.node_groups) == 1


def test_groups_within_groups(extension, reverts, new_image):
    old, result = new_image(name="old")[0], new_image(name="result")[0]
    inner, _, end = new_group("inner")
    inner.links.new(texture(inner, old).outputs["Color"], end.inputs[0])
    outer, _, end = new_group("outer")
    within = outer.nodes.new("ShaderNodeGroup")
    within.node_tree = inner
    outer.links.new(within.outputs[0], end.inputs[0])
    materials = [new_material(name) for name in ("one", "two")]
    for material in materials:
        holder_of(material, outer)
    before = snapshot(materials[0])
    extension.materials.apply(materials[0], result, single_user=True)
    assert len(bpy.data.node_groups) == 4
    assert [node.image for node in inner.nodes if node.type == "TEX_IMAGE"] == [old]
    reverts.revert(materials[0])
    assert snapshot(materials[0]) == before
    assert {tree.name for tree in bpy.data.node_groups} == {"inner", "outer"}
