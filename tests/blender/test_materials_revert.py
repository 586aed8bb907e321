# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply, then Revert: the material is what it was, to the last link, and no picture has changed a bit."""

from __future__ import annotations

import importlib

import bpy
import numpy as np
import pytest
from shader_nodes import add, color_of, new_group, new_material, principled, snapshot, texture

UI = "bl_ext.user_default.selfrect_blender.selfrect_blender"


@pytest.fixture
def reverts(extension):
    return importlib.import_module(f"{UI}.scene.reverts")


@pytest.fixture
def result(extension, new_image):
    return new_image(32, 32, name="result")[0]


@pytest.fixture
def old(extension, new_image):
    image = new_image(32, 32, name="old")[0]
    image.pack()
    return image


def with_image(old):
    material = new_material()
    material.node_tree.links.new(texture(material.node_tree, old).outputs["Color"], color_of(material))
    return material


def with_noise(old):
    material = new_material()
    material.node_tree.links.new(add(material.node_tree, "TexNoise").outputs["Color"], color_of(material))
    return material


def plain(old):
    return new_material()


def without_shader(old):
    material = new_material()
    material.node_tree.nodes.remove(principled(material))
    return material


def unlinked_shader(old):
    material = new_material()
    tree = material.node_tree
    tree.links.remove(principled(material).outputs[0].links[0])
    return material


def in_group(old):
    material = new_material()
    group, _, end = new_group()
    group.links.new(texture(group, old).outputs["Color"], end.inputs[0])
    holder = material.node_tree.nodes.new("ShaderNodeGroup")
    holder.node_tree = group
    material.node_tree.links.new(holder.outputs[0], color_of(material))
    return material


def two_uses(old):
    material = with_image(old)
    node = color_of(material).links[0].from_node
    material.node_tree.links.new(node.outputs["Color"], principled(material).inputs["Roughness"])
    return material


def all_of(material):
    groups = [node.node_tree for node in material.node_tree.nodes if node.type == "GROUP"]
    inside = [{node.name: getattr(node, "image", None) for node in group.nodes} for group in groups]
    nodes, links = snapshot(material)
    return (nodes, sorted(links)), groups, inside, sorted(group.name for group in bpy.data.node_groups)


def flat_of(image):
    flat = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(flat)
    return flat


KINDS = [with_image, with_noise, plain, without_shader, unlinked_shader, in_group, two_uses]


@pytest.mark.parametrize("how", ["SWAP", "SLOT"])
@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(extension, reverts, result, old, kind, how, tmp_path):
    material = kind(old)
    before, packed, pixels = all_of(material), old.packed_file.data, flat_of(old)
    extension.materials.apply(material, result, how=how)
    assert all_of(material) != before
    assert reverts.is_kept(material)
    assert reverts.revert(material) == []
    assert all_of(material) == before
    assert not reverts.is_kept(material)
    assert old.packed_file.data == packed
    np.testing.assert_array_equal(flat_of(old), pixels)


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip_over_save_and_load(extension, reverts, result, old, kind, tmp_path):
    material = kind(old)
    material.use_fake_user = True
    names = [set(image.name if image else None for image in all_of(material)[0][0].values()), all_of(material)[0][1]]
    extension.materials.apply(material, result, how="SLOT")
    result.pack()
    path = str(tmp_path / "scene.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    bpy.ops.selfrect.revert_material(material="wood")
    material = bpy.data.materials["wood"]
    assert [set(image.name if image else None for image in all_of(material)[0][0].values()), all_of(material)[0][1]] == names


def test_several_results_one_state_before(extension, reverts, result, old, new_image):
    material = with_image(old)
    before = all_of(material)
    second = new_image(name="second")[0]
    for image, how in ((result, "SWAP"), (second, "SWAP"), (result, "SLOT"), (second, "SLOT")):
        extension.materials.apply(material, image, how=how)
    reverts.revert(material)
    assert all_of(material) == before


def test_what_the_artist_chose_since_is_what_is_gone_back_to(extension, reverts, result, old, new_image):
    material = with_image(old)
    extension.materials.apply(material, result)
    node = color_of(material).links[0].from_node
    node.image = chosen = new_image(name="chosen")[0]
    extension.materials.apply(material, result)
    reverts.revert(material)
    assert node.image == chosen


def test_a_renamed_node_is_told_and_left(extension, reverts, result, old):
    material = with_image(old)
    extension.materials.apply(material, result)
    node = color_of(material).links[0].from_node
    name, node.name = node.name, "mine"
    assert reverts.revert(material) == [name]
    assert node.image == result


def test_undo_and_redo_of_apply_and_revert(extension, reverts, result, old):
    with_image(old)
    bpy.ops.ed.undo_push(message="before")

    def image():
        return color_of(bpy.data.materials["wood"]).links[0].from_node.image.name

    extension.materials.apply(bpy.data.materials["wood"], result)
    bpy.ops.ed.undo_push(message="Apply")
    reverts.revert(bpy.data.materials["wood"])
    bpy.ops.ed.undo_push(message="Revert")
    assert image() == "old"
    bpy.ops.ed.undo()
    assert image() == "result"
    assert reverts.is_kept(bpy.data.materials["wood"])
    bpy.ops.ed.undo()
    assert image() == "old"
    assert not reverts.is_kept(bpy.data.materials["wood"])
    bpy.ops.ed.redo()
    assert image() == "result"
    reverts.revert(bpy.data.materials["wood"])
    assert image() == "old"


def test_a_material_that_was_made_goes_and_so_does_its_slot(extension, result):
    bpy.ops.mesh.primitive_plane_add()
    bpy.ops.selfrect.apply_to_material(image="result")
    assert bpy.context.object.active_material
    bpy.ops.selfrect.revert_material()
    assert len(bpy.context.object.material_slots) == 0
    assert len(bpy.data.materials) == 0


def test_nothing_to_revert_is_refused(extension, old):
    with_image(old)
    with pytest.raises(RuntimeError, match="Nothing was applied to the material “wood”"):
        bpy.ops.selfrect.revert_material(material="wood")


def test_a_new_paint_slot_looks_at_the_same_coordinates_and_is_the_active_one(extension, result, old):
    material = with_image(old)
    tree = material.node_tree
    first = color_of(material).links[0].from_node
    first.interpolation, first.extension = "Closest", "MIRROR"
    tree.links.new(add(tree, "UVMap").outputs[0], first.inputs[0])
    applied = extension.materials.apply(material, result, how="SLOT")
    new = tree.nodes[applied.node]
    assert (first.image, new.image) == (old, result)
    assert (new.interpolation, new.extension) == ("Closest", "MIRROR")
    assert new.inputs[0].links[0].from_node == first.inputs[0].links[0].from_node
    assert color_of(material).links[0].from_node == new
    assert tree.nodes.active == new


def test_selected_objects_shared_materials_once(extension, result, old):
    shared, other = with_image(old), with_noise(old)
    for material in (shared, shared, other, None):
        bpy.ops.mesh.primitive_plane_add()
        bpy.context.object.active_material = material
    bpy.ops.object.light_add()
    bpy.ops.object.select_all(action="SELECT")
    bpy.ops.selfrect.apply_to_material(image="result", to="SELECTED")
    planes = [thing for thing in bpy.data.objects if thing.type == "MESH"]
    assert all(color_of(plane.active_material).links[0].from_node.image == result for plane in planes)
    assert len({plane.active_material for plane in planes}) == 3
    assert len(shared.selfrect.steps) == 1
    bpy.ops.selfrect.revert_material(to="SELECTED")
    assert color_of(shared).links[0].from_node.image == old
    assert color_of(other).links[0].from_node.type == "TEX_NOISE"
    assert [plane.active_material for plane in planes].count(None) == 1
