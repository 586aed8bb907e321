# SPDX-License-Identifier: GPL-3.0-or-later
"""New targets: what is in them, that they are saved with the file, and that the reference stays as it was."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

KINDS = [("sRGB", False), ("Non-Color", False), ("Linear Rec.709", True), ("Non-Color", True)]


def pixels(image):
    flat = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(flat)
    return flat.reshape(-1, 4)


@pytest.mark.parametrize(("space", "is_float"), KINDS)
@pytest.mark.parametrize("mode", ["COPY", "SHUFFLED", "EMPTY"])
def test_contents_survive_saving(extension, new_image, tmp_path, mode, space, is_float):
    reference, _ = new_image(48, 32, name="bark.png", space=space, is_float=is_float)
    reference.use_fake_user = True
    bpy.context.scene.selfrect.reference = reference
    bpy.ops.selfrect.new_target(mode=mode, seed=3)
    target, given = bpy.context.scene.selfrect.target, pixels(reference)
    assert target.name == "bark target"
    before = pixels(target)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    target = bpy.context.scene.selfrect.target
    np.testing.assert_array_equal(pixels(target), before)
    assert (target.is_float, target.colorspace_settings.name, tuple(target.size)) == (is_float, space, (48, 32))
    if mode == "COPY":
        np.testing.assert_array_equal(before, given)
    elif mode == "EMPTY":
        assert not before.any()
    else:
        assert not before[:, 3].any()
        assert not np.array_equal(before[:, :3], given[:, :3])
        np.testing.assert_array_equal(np.sort(before[:, :3], 0), np.sort(given[:, :3], 0))


def test_the_shuffle_is_seeded(extension, new_image):
    reference, _ = new_image(32, 32)
    first, again, other = (pixels(extension.targets.new_target(reference, "SHUFFLED", seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_scripts_name_the_reference(extension, new_image):
    new_image(32, 32, name="moss")
    assert bpy.ops.selfrect.new_target(reference="moss") == {"FINISHED"}
    with pytest.raises(RuntimeError, match="no image “stone”"):
        bpy.ops.selfrect.new_target(reference="stone")
    images = len(bpy.data.images)
    with pytest.raises(RuntimeError, match="No reference is chosen"):
        bpy.ops.selfrect.new_target()
    assert len(bpy.data.images) == images


def picture(image):
    return pixels(image).reshape(image.size[1], image.size[0], 4)


def test_tiled_and_other_sizes(extension, new_image):
    moss, given = new_image(30, 20, "moss")
    given = picture(moss)
    bpy.ops.selfrect.new_target(mode="TILED", reference="moss", columns=3, rows=2)
    target = bpy.context.scene.selfrect.target
    assert tuple(target.size) == (90, 40)
    np.testing.assert_array_equal(picture(target)[20:, 60:], given)
    bpy.ops.selfrect.new_target(mode="COPY", reference="moss", width=60, height=50, fit="EXTEND")
    extended = picture(bpy.context.scene.selfrect.target)
    np.testing.assert_allclose(extended[15:35, 15:45], given, atol=0.003)
    assert not extended[:15, :, 3].any()
    for fit in ("SCALE", "CROP"):
        bpy.ops.selfrect.new_target(mode="COPY", reference="moss", width=45, height=60, fit=fit)
        assert picture(bpy.context.scene.selfrect.target).shape == (60, 45, 4)
        assert (picture(bpy.context.scene.selfrect.target)[..., 3] == 1).all()
    for mode in ("EMPTY", "SHUFFLED"):
        bpy.ops.selfrect.new_target(mode=mode, reference="moss", width=64)
        assert tuple(bpy.context.scene.selfrect.target.size) == (64, 20)


def test_too_large_is_told_before_memory_is_asked_for(extension, new_image):
    new_image(64, 64, "moss")
    images = len(bpy.data.images)
    with pytest.raises(RuntimeError, match="100000 × 100000 pixels"):
        bpy.ops.selfrect.new_target(reference="moss", width=100000, height=100000)
    assert len(bpy.data.images) == images


def square(uv):
    """An active object: one square whose corners have these UVs."""
    mesh = bpy.data.meshes.new("square")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], [], [(0, 1, 2, 3)])
    if uv is not None:
        mesh.uv_layers.new().data.foreach_set("uv", np.array(uv, np.float32).ravel())
    thing = bpy.data.objects.new("square", mesh)
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.view_layer.objects.active = thing
    return thing


def test_uv_islands_are_filled_and_the_rest_is_background(extension, new_image):
    moss, _ = new_image(40, 40, "moss")
    square([(0.25, 0.25), (0.75, 0.25), (0.75, 0.5), (0.25, 0.5)])
    bpy.ops.selfrect.new_target(mode="UV", reference="moss", width=80, height=80, margin=0)
    target = picture(bpy.context.scene.selfrect.target)
    inside = np.zeros((80, 80), bool)
    inside[20:40, 20:60] = True
    np.testing.assert_array_equal(target[..., 3] == 1, inside)
    np.testing.assert_array_equal(target[..., 3] == 0, ~inside)
    np.testing.assert_array_equal(target[20:40, 20:60], np.tile(picture(moss), (2, 2, 1))[20:40, 20:60])
    bpy.ops.selfrect.new_target(mode="UV", reference="moss", width=80, height=80, margin=3)
    assert picture(bpy.context.scene.selfrect.target)[18, 30, 3] == 1


def test_without_uv_map_or_slot_the_remedy_is_told(extension, new_image):
    new_image(32, 32, "moss")
    with pytest.raises(RuntimeError, match="no UV map"):
        bpy.ops.selfrect.new_target(mode="UV", reference="moss")
    square(None)
    with pytest.raises(RuntimeError, match="no UV map"):
        bpy.ops.selfrect.new_target(mode="UV", reference="moss")
    with pytest.raises(RuntimeError, match="no active paint slot"):
        bpy.ops.selfrect.new_target(mode="SLOT")


def test_the_active_paint_slot_with_its_unsaved_strokes(extension, new_image):
    painted, _ = new_image(32, 32, "painted")
    thing = square([(0, 0), (1, 0), (1, 1), (0, 1)])
    material = bpy.data.materials.new("paint")
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = painted
    material.node_tree.nodes.active = node
    thing.data.materials.append(material)
    bpy.context.view_layer.update()
    bpy.context.scene.tool_settings.image_paint.mode = "IMAGE"
    bpy.context.scene.tool_settings.image_paint.canvas = painted
    bpy.ops.selfrect.new_target(mode="SLOT")
    choices = bpy.context.scene.selfrect
    np.testing.assert_array_equal(picture(choices.target), picture(painted))
    assert choices.target != painted
    assert choices.reference == painted
