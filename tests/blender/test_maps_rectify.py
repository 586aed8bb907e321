# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps through the whole way: out of the material, to an engine that gives the reference's own maps back, into images and files."""

from __future__ import annotations

import importlib
import time

import bpy
import numpy as np
import pytest
from map_materials import directx, output_of, packed, plug, separate_maps
from shader_nodes import new_material, snapshot

UI = "bl_ext.user_default.selfrect_blender.selfrect_blender"


@pytest.fixture
def picture(extension, new_image):
    """picture(name, data=True) → an image of 64 × 48 pixels, another one for each name; "e" with light above 1."""

    def make(name, data=True):
        seed, is_light = sum(map(ord, name)), name == "e"
        image, painted = new_image(64, 48, name=name, space="Non-Color" if data else "sRGB", seed=seed, is_float=is_light)
        if is_light:
            image.pixels.foreach_set(painted.ravel() * np.tile(np.float32([4, 4, 4, 1]), 64 * 48))
        return image

    return make


@pytest.fixture
def shown(extension, picture, new_image):
    """shown(kind) → a material on the active object, its base the reference, and a target of the same size."""

    def make(kind):
        material, expected = kind(picture)
        bpy.ops.mesh.primitive_plane_add()
        bpy.context.object.active_material = material
        choices = bpy.context.scene.selfrect
        choices.reference, choices.target = bpy.data.images["base"], new_image(64, 48, "rough", seed=99)[0]
        return material, expected

    return make


def flat_of(image):
    flat = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(flat)
    return flat


def rgb_of(image):
    return flat_of(image).reshape(-1, 4)[:, :3]


@pytest.mark.parametrize("kind", [separate_maps, packed, directx])
def test_each_map_comes_back_as_it_is_in_its_own_colour_space(extension, engine, shown, kind):
    engine("good")
    _, expected = shown(kind)
    bpy.ops.selfrect.rectify()
    result = bpy.context.scene.selfrect.result
    made = extension.history.maps_of(result)
    in_alpha = {"opacity"} if expected.get("opacity") == "base" else set()
    assert set(made) == set(expected) - in_alpha, "an image once, however many channels are used"
    for name, image in made.items():
        source = bpy.data.images[expected[name]]
        assert image.name == f"{result.name}_{name}"
        assert image.packed_file
        assert image.colorspace_settings.is_data == source.colorspace_settings.is_data
        if image.colorspace_settings.is_data:
            np.testing.assert_allclose(rgb_of(image), rgb_of(source), atol=1e-7)
    for _ in in_alpha:
        assert result.alpha_mode == "CHANNEL_PACKED"
        np.testing.assert_array_equal(flat_of(result)[3::4], flat_of(bpy.data.images["base"])[3::4])


def test_recall_brings_the_ticks_of_the_maps_back(extension, engine, shown):
    engine("good")
    shown(separate_maps)
    choices = bpy.context.scene.selfrect
    found = {each.name: each.image for each in extension.materials.maps_under(bpy.context, choices.reference)}
    found["roughness"].selfrect.follows = False
    bpy.ops.selfrect.rectify()
    ticked = choices.result.name
    bpy.ops.selfrect.rectify(with_maps=False)
    plain = choices.result.name
    assert (choices.with_maps, ticked != plain) == (True, True)
    bpy.ops.selfrect.recall_result(image=plain)
    assert not choices.with_maps
    found["roughness"].selfrect.follows, found["normal"].selfrect.follows = True, False
    bpy.ops.selfrect.recall_result(image=ticked)
    assert choices.with_maps
    assert [name for name, image in found.items() if not image.selfrect.follows] == ["roughness"]


def test_the_plan_is_asked_with_the_maps_that_follow(extension, shown):
    shown(separate_maps)
    scene = bpy.context.scene
    found = extension.materials.maps_under(bpy.context, scene.selfrect.reference)
    follow = [each for each in found if not each.reason and each.image.selfrect.follows]
    assert extension.plan._question(scene)["sizes"]["maps"] == [list(each.image.size) for each in follow] != []
    follow[0].image.selfrect.follows = False
    assert len(extension.plan._question(scene)["sizes"]["maps"]) == len(follow) - 1
    scene.selfrect.with_maps = False
    assert "maps" not in extension.plan._question(scene)["sizes"]


def test_light_above_white_travels(extension, engine, shown):
    engine("good")
    shown(separate_maps)
    bpy.ops.selfrect.rectify()
    made = extension.history.maps_of(bpy.context.scene.selfrect.result)["emission"]
    assert rgb_of(made).max() > 3
    np.testing.assert_allclose(rgb_of(made), rgb_of(bpy.data.images["e"]), rtol=1e-4, atol=1e-5)


def test_what_is_sent_is_small_and_upright(extension, engine, shown, monkeypatch):
    engine("good")
    shown(directx)
    grey = bpy.data.images["r"]
    grey.pixels.foreach_set(np.repeat(np.linspace(0, 1, 64 * 48, dtype=np.float32), 4))
    sent = []
    queue = extension.main_thread.queue()
    submit = queue.submit
    monkeypatch.setattr(queue, "submit", lambda request: sent.append(request) or submit(request))
    bpy.ops.selfrect.rectify()
    (maps,) = [request.maps for request in sent]
    assert {name: each[0].shape for name, each in maps.items()} == {
        "normal": (48, 64, 3), "opacity": (48, 64, 1), "mask": (48, 64, 3), "roughness": (48, 64, 1), "roughness_2": (48, 64, 3),
    }
    there = rgb_of(bpy.data.images["dx"]).reshape(48, 64, 3)[::-1]
    np.testing.assert_allclose(maps["normal"][0], np.stack([there[..., 0], 1 - there[..., 1], there[..., 2]], -1), atol=1e-6)


def test_the_reference_may_be_in_a_material_that_is_not_active(extension, engine, shown, picture):
    engine("good")
    material, expected = shown(separate_maps)
    other = bpy.context.object.active_material = new_material("other")
    bpy.ops.selfrect.rectify()
    result = bpy.context.scene.selfrect.result
    assert set(extension.history.maps_of(result)) == set(expected)
    bpy.data.materials.remove(material)
    assert extension.materials.maps_under(bpy.context, bpy.data.images["base"]) == []
    bpy.ops.selfrect.apply_to_material()
    shader = next(node for node in other.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    assert all(shader.inputs[name].is_linked for name in ("Base Color", "Roughness", "Metallic", "Normal", "Emission Color", "Alpha"))
    assert output_of(other).inputs["Displacement"].is_linked


def test_each_tile_of_a_reference_has_its_own_map(extension, picture, tmp_path):
    maps, pictures = (importlib.import_module(f"{UI}.scene.{name}") for name in ("maps", "map_pictures"))

    def tiled(name, data=True, numbers=(1001, 1002)):
        for number in numbers:
            file = bpy.data.images.new("file", 32, 32, is_data=True)
            file.pixels.foreach_set(np.tile(np.float32([number / 4 - 250] * 3 + [1]), 32 * 32))
            file.filepath_raw, file.file_format = str(tmp_path / f"{name}.{number}.png"), "PNG"
            file.save()
        image = bpy.data.images.load(str(tmp_path / f"{name}.1001.png"))
        image.source, image.filepath, image.name = "TILED", str(tmp_path / f"{name}.<UDIM>.png"), name
        image.colorspace_settings.name = "Non-Color" if data else "sRGB"
        return image

    material, _ = separate_maps(lambda name, data=True: tiled(name, data, (1001,) if name == "m" else (1001, 1002)))
    found = maps.of_material(material, bpy.data.images["base"])
    assert {each.name: bool(each.reason) for each in found}["metallic"]
    (roughness,) = [each for each in maps.ticked(found) if each.name == "roughness"]
    (read,) = pictures.read([(roughness,)], [bpy.data.images["base"]])
    assert [round(float(tile.mean()) * 4) for tile in read.pictures()] == [1, 2]


def test_a_finer_map_stays_finer(extension, engine, shown):
    engine("good")
    shown(separate_maps)
    bpy.data.images["r"].scale(256, 192)
    bpy.ops.selfrect.rectify()
    made = extension.history.maps_of(bpy.context.scene.selfrect.result)
    assert tuple(made["roughness"].size) == (256, 192)
    assert tuple(made["normal"].size) == (64, 48)


def test_ticks_and_switch(extension, engine, shown):
    engine("good")
    shown(separate_maps)
    choices = bpy.context.scene.selfrect
    bpy.data.images["r"].selfrect.follows = False
    bpy.ops.selfrect.rectify()
    assert "roughness" not in extension.history.maps_of(choices.result)
    assert "normal" in extension.history.maps_of(choices.result)
    bpy.ops.selfrect.rectify(with_maps=False)
    assert extension.history.maps_of(choices.result) == {}
    bpy.ops.selfrect.rectify(maps="normal=m, clearcoat = h")
    assert set(extension.history.maps_of(choices.result)) == {"normal", "clearcoat"}
    with pytest.raises(RuntimeError, match="no image “absent” for the map “ao”"):
        bpy.ops.selfrect.rectify(maps="ao=absent")


def test_the_whole_way_twice_through_saving_and_back(extension, engine, shown, tmp_path):
    engine("good")
    material, expected = shown(separate_maps)
    before = snapshot(material)[1]
    for _ in range(2):
        bpy.ops.selfrect.rectify()
        bpy.ops.selfrect.apply_to_material()
    names = {node.image.name for node in material.node_tree.nodes if node.type == "TEX_IMAGE"}
    assert names == {"base rectified.001", *(f"base rectified.001_{name}" for name in expected)}
    pixels = {name: flat_of(bpy.data.images[name]) for name in names}
    path = str(tmp_path / "scene.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    for name in names:
        is_data = bpy.data.images[name].colorspace_settings.is_data  # colours go through Blender's own tables when they are read
        np.testing.assert_allclose(flat_of(bpy.data.images[name]), pixels[name], rtol=0 if is_data else 3e-4, atol=0 if is_data else 1e-5)
    result = bpy.data.images["base rectified"]
    assert set(extension.history.maps_of(result)) == set(expected), "the first result has kept its maps"
    bpy.ops.selfrect.revert_material(material="wood")
    material = bpy.data.materials["wood"]
    assert snapshot(material)[1] == before
    assert {node.image.name for node in material.node_tree.nodes if node.type == "TEX_IMAGE"} == {"base", *expected.values()}


def test_an_estimate_is_plugged_in_where_no_map_was(extension, engine, shown):
    engine("good")
    if "estimate" not in extension.engine_settings.values(bpy.context.scene):
        pytest.skip("this engine estimates nothing")
    material, _ = shown(packed)
    bpy.ops.selfrect.rectify(estimate="height")
    bpy.ops.selfrect.apply_to_material()
    displaced = output_of(material).inputs["Displacement"].links[0].from_node
    image = displaced.inputs["Height"].links[0].from_node.image
    assert image.name == "base rectified_height"
    assert image.colorspace_settings.is_data


def test_outside_of_a_mask_the_maps_of_a_reference_that_is_its_own_target_stay(extension, engine, shown, new_image, monkeypatch):
    engine("good")
    _, expected = shown(separate_maps)
    mask = np.zeros((48, 64), np.float32)
    mask[10:20, 30:50] = 1
    sent = {"normal": [np.zeros((96, 128, 3), np.float32)], "roughness": [np.zeros((48, 64, 1), np.float32)]}
    pictures = importlib.import_module(f"{UI}.scene.map_pictures")
    kept = pictures.kept({name: each[0] + 1 for name, each in sent.items()} | {"height": np.ones((4, 4, 1), np.float32)}, sent, mask)
    np.testing.assert_array_equal(kept["roughness"][..., 0], mask)
    np.testing.assert_array_equal(kept["normal"][..., 0], mask.repeat(2, 0).repeat(2, 1))
    assert kept["height"].min() == 1, "an estimate has no map before it"
    new_image(64, 48, "mask", color=1)
    seen = []
    monkeypatch.setattr(extension.rectify.map_pictures, "kept", lambda made, *more: seen.append(more) or made)
    bpy.ops.selfrect.rectify(target="base", mask="mask")
    bpy.ops.selfrect.rectify(mask="mask")
    assert len(seen) == 1
    assert set(seen[0][0]) == set(expected)


def test_several_references_bring_the_maps_that_all_of_them_have(extension, shown, picture):
    maps = importlib.import_module(f"{UI}.scene.maps")
    material, _ = shown(separate_maps)
    other = new_material("other")
    plug(other, picture("second", data=False), "Base Color")
    plug(other, picture("second n"), "Normal", ("NormalMap", "Color"))
    found = maps.of_material(material, bpy.data.images["base"])
    whole, left = maps.together(found, [bpy.data.images["second"]])
    assert [[each.image.name for each in of_each] for of_each in whole] == [["n", "second n"]]
    assert set(left) == {"roughness", "metallic", "height", "emission", "opacity"}


def test_a_variation_that_is_kept_has_its_maps(extension, engine, shown):
    engine("good")
    _, expected = shown(separate_maps)
    bpy.ops.selfrect.explore(by="SEEDS", rows=1, columns=2)
    bpy.ops.selfrect.explore_keep(row=0, column=1)
    assert set(extension.history.maps_of(bpy.context.scene.selfrect.result)) == set(expected)


def test_the_timer_lands_them_too(extension, engine, shown):
    engine("good")
    _, expected = shown(packed)
    choices = bpy.context.scene.selfrect
    order = extension.rectify.order(
        bpy.context.scene, choices.reference, choices.target, follow=extension.materials.maps_under(bpy.context, choices.reference)
    )
    work = extension.main_thread.start(order)
    until = time.monotonic() + 10
    while not work.finished:
        assert time.monotonic() < until
        extension.main_thread._tick()
        time.sleep(0.01)
    assert work.problem is None
    assert set(extension.history.maps_of(choices.result)) == set(expected)


def test_the_panel_shows_what_follows_and_what_was_made(extension, engine, shown):
    engine("good")
    _, expected = shown(separate_maps)
    bpy.data.images["m"].source = "SEQUENCE"
    bpy.ops.selfrect.rectify()
    drawn = []
    panel = importlib.import_module(f"{UI}.ui.maps_panel")
    panel.PANELS[0].draw_header(Drawing(drawn), bpy.context)
    panel.PANELS[0].draw(Drawing(drawn), bpy.context)
    ticks = [words for name, words in drawn if name == "prop" and "follows" in words]
    assert len(ticks) == len(expected)
    texts = " ".join(str(words) for _, words in drawn)
    for word in ("Coat", "absent"):
        assert word not in texts
    assert "Height, estimated" not in texts
    bpy.ops.selfrect.rectify(with_maps=False, estimate="height")
    panel.PANELS[0].draw(Drawing(drawn), bpy.context)
    assert "Height, estimated" in " ".join(str(words) for _, words in drawn)
    for word in ("with_maps", "Roughness", "Normal", "image sequence", "selfrect.save_result"):
        assert word in texts


class Drawing:
    """A layout that writes down what is drawn; it is its own panel."""

    def __init__(self, drawn):
        self.__dict__["drawn"] = drawn

    @property
    def layout(self):
        return self

    def __getattr__(self, name):
        def call(*words, **more):
            self.drawn.append((name, (*words, *more.values())))
            return Drawing(self.drawn)

        return call
