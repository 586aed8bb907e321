# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the picture may change: masks of every kind, what they protect, holes that are filled."""

from __future__ import annotations

import importlib
import math

import bpy
import numpy as np
import pytest


def buffer(image):
    flat = np.empty(image.size[0] * image.size[1] * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    return flat.reshape(image.size[1], image.size[0], -1)


@pytest.fixture
def splines(extension):
    return importlib.import_module(extension.images.__package__ + ".mask_splines")


@pytest.fixture
def target(extension, new_image):
    image = new_image(64, 48, name="rough.png")[0]
    bpy.context.scene.selfrect.target = image
    return image


def made(**arguments):
    assert bpy.ops.selfrect.new_mask(**arguments) == {"FINISHED"}
    mask = bpy.context.scene.selfrect.mask
    assert mask.colorspace_settings.is_data
    assert mask.packed_file
    return buffer(mask)[..., 0]


def test_to_paint_is_black_and_named_after_the_target(target):
    assert made(source="PAINT").shape == (48, 64)
    assert bpy.context.scene.selfrect.mask.name == "rough mask"
    assert not made(source="PAINT").any()
    assert made(source="PAINT", invert=True).all()


def test_what_is_transparent(extension, new_image):
    alpha = np.ones((48, 64, 1), np.float32)
    alpha[8:20, 10:30] = 0
    bpy.context.scene.selfrect.target = new_image(64, 48, alpha=alpha)[0]
    np.testing.assert_allclose(made(source="ALPHA"), 1 - alpha[..., 0], atol=0.003)
    larger = made(source="ALPHA", margin=4)
    assert larger[4:24, 6:34].all()
    assert not larger[:, :5].any()
    soft = made(source="ALPHA", softness=6)
    assert 0 < soft[14, 11] < soft[14, 13] < soft[14, 20]
    assert not soft[alpha[..., 0] == 1].any()


def square(low, high, mode="OBJECT"):
    """Two faces side by side: the left one's UVs from `low` to the middle, the right one's to `high`."""
    middle = (low + high) / 2
    mesh = bpy.data.meshes.new("square")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (2, 0, 0), (0, 1, 0), (1, 1, 0), (2, 1, 0)], [], [(0, 1, 4, 3), (1, 2, 5, 4)])
    across = [low, middle, middle, low, middle, high, high, middle]
    mesh.uv_layers.new().data.foreach_set("uv", np.column_stack([across, [low, low, high, high] * 2]).ravel())
    thing = bpy.data.objects.new("square", mesh)
    bpy.context.scene.collection.objects.link(thing)
    bpy.context.view_layer.objects.active = thing
    return thing


@pytest.mark.parametrize("mode", ["OBJECT", "EDIT"])
def test_selected_faces_and_islands(target, mode):
    thing = square(0.25, 0.75)
    meshes = len(bpy.data.meshes)
    bpy.context.scene.tool_settings.mesh_select_mode = (False, False, True)
    thing.data.polygons.foreach_set("select", [True, False])
    bpy.ops.object.mode_set(mode=mode)
    selected, islands = made(source="FACES"), made(source="ISLANDS")
    assert selected[12:36, 16:32].all()
    assert selected.sum() == 24 * 16
    assert islands.sum() == 24 * 32
    bpy.ops.object.mode_set(mode="OBJECT")
    assert len(bpy.data.meshes) == meshes


def test_weights_of_a_vertex_group_run_across_the_faces(target):
    thing = square(0.0, 1.0)
    group = thing.vertex_groups.new(name="worn")
    group.add([2, 5], 1.0, "REPLACE")
    weights = made(source="VERTICES")
    assert not weights[:, :32].any()
    np.testing.assert_allclose(weights[:, 32:], np.broadcast_to((np.arange(32) + 0.5) / 32, (48, 32)), atol=0.003)


@pytest.mark.parametrize(
    ("source", "words"),
    [("ALPHA", "transparent"), ("DRAWN", "No drawn mask"), ("FACES", "no UV map"), ("ISLANDS", "no UV map"), ("VERTICES", "no UV map")],
)
def test_what_cannot_be_made_is_told(target, source, words):
    before = set(bpy.data.images)
    with pytest.raises(RuntimeError, match=words):
        bpy.ops.selfrect.new_mask(source=source)
    assert set(bpy.data.images) == before


def drawn(points, name="drawn", **options):
    """A mask of Blender's with a closed curve; points: (x, y) in its own unit."""
    mask = bpy.data.masks.new(name)
    layer = mask.layers.new(name="layer")
    layer.falloff = options.get("falloff", "LINEAR")
    add_curve(layer, points, options.get("weight", 0.0))
    return mask, layer


def add_curve(layer, points, weight=0.0):
    spline = layer.splines.new()
    spline.points.add(len(points) - 1)
    spline.use_cyclic = True
    for point, place in zip(spline.points, points, strict=True):
        point.handle_left_type = point.handle_right_type = "FREE"
        point.co = point.handle_left = point.handle_right = place
        point.weight = weight
    return spline


def rectangle(x0, y0, x1, y1):
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def test_a_drawn_mask_lies_where_it_was_drawn(target, splines):
    """64 × 48: the unit is the longer side; the middle is the middle."""
    _, layer = drawn(rectangle(0.25, 0.375, 0.75, 0.625))
    mask = made(source="DRAWN")
    expected = np.zeros((48, 64))
    expected[16:32, 16:48] = 1
    np.testing.assert_array_equal(mask, expected)
    add_curve(layer, rectangle(0.4375, 0.4375, 0.5625, 0.5625))
    assert made(source="DRAWN")[20:28, 28:36].all()
    layer.use_fill_holes = True
    assert not made(source="DRAWN")[20:28, 28:36].any()
    layer.invert = True
    assert made(source="DRAWN")[:16].all()


def test_feather_falls_outwards(target):
    drawn(rectangle(0.25, 0.375, 0.75, 0.625), weight=0.125)
    row = made(source="DRAWN")[24]
    assert row[20:44].all()
    assert (np.diff(row[:17]) >= 0).all()
    assert row[12] == pytest.approx(0.5, abs=0.15)
    assert not row[:7].any()


@pytest.mark.skipif(bpy.app.version >= (5, 0), reason="the compositor is another there")
def test_the_same_as_blenders_compositor(extension, splines, tmp_path):
    """Curved, with a second layer. Its edges are hard there."""
    mask, layer = drawn(rectangle(0.2, 0.3, 0.8, 0.7))
    for point, angle in zip(layer.splines[0].points, (-45, 45, 135, 225), strict=True):
        offset = np.array([math.cos(math.radians(angle + 45)), math.sin(math.radians(angle + 45))]) * 0.12
        point.handle_left, point.handle_right = point.co - offset_of(offset), point.co + offset_of(offset)
    other = mask.layers.new(name="other")
    other.blend, other.alpha = "MERGE_SUBTRACT", 0.5
    add_curve(other, rectangle(0.45, 0.1, 0.6, 0.6))
    theirs = composited(mask, 128, 96, tmp_path)
    ours = splines.coverage(mask, 128, 96)
    assert np.abs(ours - theirs).mean() < 0.01
    assert np.abs(ours - theirs).max() <= 0.65
    assert 0.1 < theirs.mean() < 0.9


def offset_of(offset):
    from mathutils import Vector

    return Vector(offset)


def composited(mask, width, height, folder):
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = width, height, 100
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    node, output = tree.nodes.new("CompositorNodeMask"), tree.nodes.new("CompositorNodeComposite")
    node.mask, node.use_feather = mask, True
    tree.links.new(node.outputs[0], output.inputs[0])
    scene.render.image_settings.file_format, scene.render.image_settings.color_depth = "OPEN_EXR", "32"
    scene.render.filepath = str(folder / "mask.exr")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(scene.render.filepath)
    return buffer(image)[..., 0]


def sent_by(extension, monkeypatch):
    sent = []
    queue = extension.main_thread.queue()
    submit = queue.submit
    monkeypatch.setattr(queue, "submit", lambda request: sent.append(request) or submit(request))
    return sent


def test_the_mask_travels_and_what_is_black_stays_to_the_last_bit(extension, engine, new_image, monkeypatch):
    engine("grey_image")
    sent = sent_by(extension, monkeypatch)
    choices = bpy.context.scene.selfrect
    choices.reference = new_image(48, 48, name="bark", space="Linear Rec.709", is_float=True)[0]
    choices.target, painted = new_image(64, 48, name="rough", space="Linear Rec.709", is_float=True, seed=3)
    painted[..., :3] *= 7  # light above 1
    choices.target.pixels.foreach_set(painted.ravel())
    white = np.zeros((48, 64, 1), np.float32)
    white[10:30, 20:50] = 1
    choices.mask = new_image(64, 48, name="mask", space="Non-Color", color=white)[0]
    bpy.ops.selfrect.rectify()
    np.testing.assert_array_equal(sent[0].mask, white[::-1, :, 0])
    result, inside = buffer(choices.result), white[..., 0] == 1
    np.testing.assert_array_equal(result[~inside], painted[~inside])
    np.testing.assert_allclose(result[inside][:, :3], 0.2140, atol=1e-3)


def test_a_mask_of_another_size_is_stretched(extension, engine, new_image, monkeypatch):
    engine("good")
    sent = sent_by(extension, monkeypatch)
    choices = bpy.context.scene.selfrect
    choices.reference = choices.target = new_image(64, 48)[0]
    half = np.zeros((24, 32, 1), np.float32)
    half[:, :16] = 1
    choices.mask = new_image(32, 24, name="mask", space="sRGB", color=half)[0]
    bpy.ops.selfrect.rectify()
    assert sent[0].mask.shape == (48, 64)
    assert sent[0].mask[:, :30].min() == 1
    assert sent[0].mask[:, 34:].max() == 0


def test_heal_sends_the_image_as_reference_and_target_with_its_hole(extension, engine, new_image, monkeypatch):
    engine("good")
    sent = sent_by(extension, monkeypatch)
    alpha = np.ones((48, 64, 1), np.float32)
    alpha[8:20, 10:30] = 0
    image = new_image(64, 48, name="bark.png", alpha=alpha)[0]
    assert bpy.ops.selfrect.heal(image="bark.png") == {"FINISHED"}
    request, hole = sent[0], alpha[::-1, :, 0] == 0
    np.testing.assert_array_equal(request.mask, hole)
    assert not request.references[0][hole][:, 3].any()
    assert not request.target[hole][:, 3].any()
    assert request.references[0][~hole][:, 3].all()
    assert bpy.context.scene.selfrect.result.name == "bark healed"
    bpy.context.scene.selfrect.target = image
    entry = image.selfrect.history[0]
    assert entry.image == bpy.context.scene.selfrect.result


def test_heal_of_what_a_mask_covers(extension, engine, new_image, monkeypatch):
    engine("good")
    sent = sent_by(extension, monkeypatch)
    white = np.zeros((48, 64, 1), np.float32)
    white[10:30, 20:50] = 1
    new_image(64, 48, name="mask", space="Non-Color", color=white)
    new_image(64, 48, name="bark.png")
    bpy.ops.selfrect.heal(image="bark.png", mask="mask")
    assert not sent[0].target[white[::-1, :, 0] == 1][:, 3].any()


@pytest.mark.parametrize(("alpha", "words"), [(1.0, "no hole in “bark”"), (0.0, "All of “bark” would be filled")])
def test_heal_without_a_hole_is_refused(extension, engine, new_image, state_of_file, alpha, words):
    engine("good")
    new_image(64, 48, name="bark", alpha=alpha)
    before = state_of_file()
    with pytest.raises(RuntimeError, match=words):
        bpy.ops.selfrect.heal(image="bark")
    assert state_of_file() == before
    with pytest.raises(RuntimeError, match="No image is chosen"):
        bpy.ops.selfrect.heal()


@pytest.mark.parametrize("space", ["Non-Color", "sRGB"])
def test_a_ramp_of_65536_levels_goes_through_where_the_mask_protects_it(extension, engine, new_image, tmp_path, space):
    """From a file of 16 bits into the result, through an engine that makes all else grey, into a file of 16 bits.

    In sRGB Blender's own reading is off by up to a level; what it has read stays as it is.
    """
    engine("grey_image")
    ramp = (np.arange(65536, dtype=np.float32) / 65535).reshape(256, 256, 1)
    extension.picture_files.save(new_image(256, 256, space="Non-Color", is_float=True, color=ramp)[0], str(tmp_path / "ramp.png"), 16)
    choices = bpy.context.scene.selfrect
    choices.reference = choices.target = bpy.data.images.load(str(tmp_path / "ramp.png"))
    choices.target.colorspace_settings.name = space
    white = np.zeros((256, 256, 1), np.float32)
    white[:8, :8] = 1
    choices.mask = new_image(256, 256, name="mask", space="Non-Color", color=white)[0]
    bpy.ops.selfrect.rectify()
    assert choices.result.colorspace_settings.name == space
    outside = white[..., 0] == 0
    np.testing.assert_array_equal(buffer(choices.result)[outside], buffer(choices.target)[outside])
    extension.picture_files.save(choices.result, str(tmp_path / "result.png"), 16)
    again = bpy.data.images.load(str(tmp_path / "result.png"))
    again.colorspace_settings.name = "Non-Color"
    apart = np.abs(buffer(again)[..., :1] - ramp)
    assert apart[white == 0].max() < (1.01 if space == "sRGB" else 0.5) / 65535
    assert apart[white == 1].max() > 0.4
    assert len(np.unique(buffer(again)[..., 0])) > 65000
