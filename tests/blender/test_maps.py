# SPDX-License-Identifier: GPL-3.0-or-later
"""The maps of a material: found behind whatever nodes, read as they are, landed beside the result, plugged in and taken back."""

from __future__ import annotations

import importlib

import bpy
import pytest
from map_materials import ALL, directx, packed, plug, separate_maps, with_base
from shader_nodes import add, color_of, new_material, principled, snapshot, texture

UI = "bl_ext.user_default.selfrect_blender.selfrect_blender"


@pytest.fixture
def maps(extension):
    return importlib.import_module(f"{UI}.scene.maps")


@pytest.fixture
def reverts(extension):
    return importlib.import_module(f"{UI}.scene.reverts")


@pytest.fixture
def picture(extension, new_image):
    """picture(name, data=True) → an image of 24 × 16 pixels, another one for each name."""

    def make(name, data=True):
        seed = sum(map(ord, name))
        return new_image(24, 16, name=name, space="Non-Color" if data else "sRGB", seed=seed)[0]

    return make


def base():
    return bpy.data.images["base"]


def with_result(extension, made, name="result"):
    """A result whose maps are called as these; as they stand in the .blend."""
    history = extension.history
    result, target = bpy.data.images.new(name, 8, 8), bpy.data.images.get("rough") or bpy.data.images.new("rough", 8, 8)
    history.add(target, result, base(), {}, {}, 1.0)
    uses = importlib.import_module(f"{UI}.scene.map_uses")
    for each in made:
        image = bpy.data.images.new(f"{name}_{each.name}", 8, 8)
        history.add_map(result, each.name, image, each.image.name, uses.written(each.uses))
    return result


@pytest.mark.parametrize("kind", ALL)
def test_finds_each_image_once_and_calls_it_by_what_it_is_for(maps, picture, kind):
    material, expected = kind(picture)
    assert {found.name: found.image.name for found in maps.of_material(material, base())} == expected


def test_a_material_of_another_reference_has_none(maps, picture):
    material, _ = separate_maps(picture)
    assert maps.of_material(material, picture("other", data=False)) == []
    assert maps.of_material(material, bpy.data.images["r"]) == []
    assert maps.of_material(None, base()) == []


def test_a_normal_that_is_turned_over_in_nodes_is_known(maps, picture):
    found = {each.name: each for each in maps.of_material(directx(picture)[0], base())}
    assert found["normal"].y_down
    assert not any(each.y_down for name, each in found.items() if name != "normal")
    assert found["opacity"].is_alpha


def test_normals_of_an_object_and_coordinates_are_no_maps(maps, picture):
    material = with_base(picture)
    plug(material, picture("n"), "Normal", ("NormalMap", "Color"))
    next(node for node in material.node_tree.nodes if node.type == "NORMAL_MAP").space = "OBJECT"
    warp = texture(material.node_tree, picture("warp"))
    material.node_tree.links.new(warp.outputs["Color"], color_of(material).links[0].from_node.inputs["Vector"])
    assert maps.of_material(material, base()) == []


def test_what_cannot_follow_says_why(maps, picture):
    material, _ = separate_maps(picture)
    bpy.data.images["r"].source = "MOVIE"
    bpy.data.images["m"].selfrect.follows = False
    found = maps.of_material(material, base())
    assert {each.name: each.reason for each in found if each.reason}.keys() == {"roughness"}
    assert "movie" in next(each.reason for each in found if each.reason)
    assert {each.name for each in maps.ticked(found)} == {"normal", "height", "emission", "opacity"}


@pytest.mark.parametrize("how", ["SWAP", "SLOT"])
@pytest.mark.parametrize("kind", ALL)
def test_apply_puts_each_map_where_its_own_was_and_revert_takes_all_back(extension, maps, reverts, picture, kind, how):
    material, expected = kind(picture)
    before, trees = snapshot(material), len(bpy.data.node_groups)
    inside = {tree: {node.name: getattr(node, "image", None) for node in tree.nodes} for tree in bpy.data.node_groups}
    result = with_result(extension, maps.of_material(material, base()))
    applied = extension.materials.apply(material, result, base(), how=how)
    assert applied.maps == {name: f"result_{name}" for name in expected}
    shown = {found.name: {place.node.image.name for place in found.places} for found in maps.of_material(material, base())}
    assert shown == {name: {f"result_{name}"} for name in expected}
    assert reverts.revert(material) == []
    assert (snapshot(material)[0], sorted(snapshot(material)[1])) == (before[0], sorted(before[1]))
    assert len(bpy.data.node_groups) == trees
    for tree, nodes in inside.items():
        assert {node.name: getattr(node, "image", None) for node in tree.nodes} == nodes


def test_a_second_result_is_made_from_the_artists_maps_and_takes_the_place_of_the_first(extension, maps, reverts, picture):
    material, expected = packed(picture)
    before = snapshot(material)
    for name in ("first", "second"):
        found = maps.of_material(material, base())
        assert {each.name: each.image.name for each in found} == expected, "not the maps of the first result"
        applied = extension.materials.apply(material, with_result(extension, found, name), base())
        assert applied.maps == {each: f"{name}_{each}" for each in expected}
    reverts.revert(material)
    assert snapshot(material) == before


def test_maps_that_a_material_has_not_get_nodes(extension, maps, reverts, picture):
    material, _ = packed(picture)
    result = with_result(extension, maps.of_material(material, base()))
    other = new_material("other")
    before = snapshot(other)
    applied = extension.materials.apply(other, result)
    assert set(applied.maps) == {"orm", "normal", "bump", "coat_roughness_inverted"}
    found = {each.name: each for each in maps.of_material(other, base())}
    assert set(found) == {"roughness_metallic", "normal", "bump", "coat_roughness_inverted"}, "a colour has no input for occlusion"
    shader = principled(other)
    assert shader.inputs["Roughness"].links[0].from_node == shader.inputs["Metallic"].links[0].from_node, "one image, one Separate Color"
    reverts.revert(other)
    assert (snapshot(other)[0], sorted(snapshot(other)[1])) == (before[0], sorted(before[1]))


def test_a_map_for_which_there_is_no_place_is_told(extension, maps, picture):
    made = [each for each in maps.of_material(directx(picture)[0], base()) if each.name == "mask"]
    applied = extension.materials.apply(new_material("other"), with_result(extension, made))
    assert applied.maps == {}
    assert "no place in the material for mask" in applied.sentence


def test_a_normal_joins_a_bump_and_a_height_is_not_a_metre(extension, maps, picture):
    material = with_base(picture)
    bump = add(material.node_tree, "Bump", Height=add(material.node_tree, "TexNoise").outputs[0])
    material.node_tree.links.new(bump.outputs[0], principled(material).inputs["Normal"])
    donor, _ = separate_maps(picture)
    wanted = [each for each in maps.of_material(donor, bpy.data.images["base.001"]) if each.name in ("normal", "height")]
    extension.materials.apply(material, with_result(extension, wanted), base())
    assert principled(material).inputs["Normal"].links[0].from_node == bump
    assert bump.inputs["Normal"].links[0].from_node.type == "NORMAL_MAP"
    displacement = next(node for node in material.node_tree.nodes if node.type == "DISPLACEMENT")
    assert displacement.inputs["Scale"].default_value < 0.1


def test_a_normal_that_points_down_is_turned_up_by_new_nodes_too(extension, maps, reverts, picture):
    made = [each for each in maps.of_material(directx(picture)[0], base()) if each.name == "normal"]
    other = new_material("other")
    before = snapshot(other)
    extension.materials.apply(other, with_result(extension, made), base())
    (found,) = maps.of_material(other, base())
    assert (found.name, found.y_down) == ("normal", True)
    reverts.revert(other)
    assert (snapshot(other)[0], sorted(snapshot(other)[1])) == (before[0], sorted(before[1]))


def test_deleting_a_result_takes_its_maps_unless_they_are_used(extension, maps, picture, pictures):
    material, _ = separate_maps(picture)
    result = with_result(extension, maps.of_material(material, base()))
    assert extension.history.find(result)[0] == pictures.target
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = bpy.data.images["result_normal"]
    extension.history.remove(pictures.target, 0)
    assert [image.name for image in bpy.data.images if image.name.startswith("result")] == ["result_normal"]
