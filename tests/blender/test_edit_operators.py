# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of the target inside Blender: what the operators write, what they leave alone, and undo and redo of it."""

from __future__ import annotations

import importlib
import json
import math

import bpy
import numpy as np
import pytest

KINDS = [("sRGB", False), ("Non-Color", False), ("Linear Rec.709", True), ("Non-Color", True)]


def pixels(image):
    flat = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(flat)
    return flat.reshape(image.size[1], image.size[0], 4)


@pytest.fixture
def pair(extension, new_image):
    """pair(space, is_float) → reference 60 × 40 and target 50 × 50, chosen in the panel; the target is packed."""

    def make(space="sRGB", is_float=False):
        choices = bpy.context.scene.selfrect
        choices.reference = new_image(60, 40, "bark", space=space, is_float=is_float, seed=1)[0]
        choices.target = new_image(50, 50, "rough", space=space, is_float=is_float, seed=2)[0]
        for image in (choices.reference, choices.target):
            image.update()
            image.pack()
            image.use_fake_user = True
        bpy.ops.ed.undo_push(message="begin")
        return choices.reference, choices.target

    return make


@pytest.mark.parametrize(("space", "is_float"), KINDS)
def test_a_stamp_is_the_patch_itself_and_the_rest_stays(pair, space, is_float):
    reference, target = pair(space, is_float)
    wanted = pixels(target)
    wanted[10:30, 5:25] = pixels(reference)[15:35, 20:40]
    assert bpy.ops.selfrect.stamp(box=(20, 15, 40, 35), location=(15, 20)) == {"FINISHED"}
    np.testing.assert_array_equal(pixels(target), wanted)
    assert target.is_dirty


def test_colour_comes_over_between_bytes_and_light(extension, new_image):
    choices = bpy.context.scene.selfrect
    choices.reference = new_image(20, 20, "bytes", color=128 / 255)[0]
    choices.target = new_image(20, 20, "light", space="Linear Rec.709", is_float=True)[0]
    bpy.ops.selfrect.stamp(box=(0, 0, 20, 20), location=(10, 10))
    np.testing.assert_allclose(pixels(choices.target)[5, 5], (0.2158605, 0.2158605, 0.2158605, 1), atol=1e-6)
    bpy.ops.selfrect.stamp(source="light", target="bytes", box=(0, 0, 20, 20), location=(10, 10))
    np.testing.assert_allclose(pixels(choices.reference)[5, 5], (128 / 255,) * 3 + (1,), atol=1e-6)


def test_strokes_that_were_never_saved_are_stamped_and_kept(pair):
    reference, target = pair()
    painted = pixels(reference)
    painted[0:10, 0:10] = (1, 0, 0, 1)
    reference.pixels.foreach_set(painted.ravel())
    stroke = pixels(target)
    stroke[40:, 40:] = (0, 1, 0, 1)
    target.pixels.foreach_set(stroke.ravel())
    bpy.ops.selfrect.stamp(box=(0, 0, 10, 10), location=(20, 20))
    after = pixels(target)
    np.testing.assert_array_equal(after[15:25, 15:25], np.broadcast_to((1, 0, 0, 1), (10, 10, 4)))
    np.testing.assert_array_equal(after[40:, 40:], stroke[40:, 40:])


EDITS = {
    "stamp": {"polygon": str([(5, 5), (30, 8), (18, 30)]), "location": (20, 30), "angle": 0.6, "scale": 1.3, "feather": 3},
    "scatter": {"box": (0, 0, 8, 8), "count": 5, "seed": 3},
    "erase": {"path": str([(10, 10), (30, 40)]), "radius": 5},
    "stroke": {"path": str([(5, 5), (25, 40), (45, 10)]), "strip_start": (5, 20), "strip_end": (55, 20), "strip_width": 10},
    "warp": {"columns": 3, "rows": 3, "offsets": json.dumps([[0, 0]] * 4 + [[6, -4]] + [[0, 0]] * 4)},
    "transform_target": {"mirror_x": True, "angle": math.pi / 2, "offset": (7, -3)},
}


@pytest.mark.parametrize(("space", "is_float"), KINDS)
def test_undo_and_redo_bring_back_every_pixel(pair, space, is_float):
    _, target = pair(space, is_float)
    states = [pixels(target)]
    for name, arguments in EDITS.items():
        assert getattr(bpy.ops.selfrect, name)(**arguments) == {"FINISHED"}, name
        bpy.ops.ed.undo_push(message=name)
        states.append(pixels(bpy.data.images["rough"]))
        assert not np.array_equal(states[-1], states[-2]), name
    for state in states[-2::-1]:
        bpy.ops.ed.undo()
        np.testing.assert_array_equal(pixels(bpy.data.images["rough"]), state, str(len(states)))
    for state in states[1:]:
        bpy.ops.ed.redo()
        np.testing.assert_array_equal(pixels(bpy.data.images["rough"]), state)
    bpy.ops.ed.undo()
    bpy.ops.ed.undo()
    bpy.ops.selfrect.erase(path="25 25", radius=8)
    bpy.ops.ed.undo_push(message="another way on")
    other = pixels(bpy.data.images["rough"])
    bpy.ops.ed.undo()
    np.testing.assert_array_equal(pixels(bpy.data.images["rough"]), states[-3])
    bpy.ops.ed.redo()
    np.testing.assert_array_equal(pixels(bpy.data.images["rough"]), other)


def test_a_quarter_turn_of_an_oblong_target_changes_its_size_and_can_be_undone(pair):
    reference, _ = pair()
    before = pixels(reference)
    bpy.ops.selfrect.transform_target(target="bark", angle=math.pi / 2)
    bpy.ops.ed.undo_push(message="turn")
    assert tuple(bpy.data.images["bark"].size) == (40, 60)
    np.testing.assert_array_equal(pixels(bpy.data.images["bark"]), np.rot90(before, -1))
    bpy.ops.ed.undo()
    np.testing.assert_array_equal(pixels(bpy.data.images["bark"]), before)
    bpy.ops.ed.redo()
    np.testing.assert_array_equal(pixels(bpy.data.images["bark"]), np.rot90(before, -1))


def test_undo_past_the_making_of_the_target_and_back(extension, new_image):
    bpy.context.scene.selfrect.reference = new_image(32, 32, "moss")[0]
    bpy.data.images["moss"].pack()
    bpy.ops.ed.undo_push(message="begin")
    bpy.ops.selfrect.new_target()
    bpy.ops.ed.undo_push(message="new")
    bpy.ops.selfrect.erase(path="10 10 20 20", radius=6)
    bpy.ops.ed.undo_push(message="erase")
    edited = pixels(bpy.data.images["moss target"])
    for _ in range(2):
        bpy.ops.ed.undo()
    assert "moss target" not in bpy.data.images
    for _ in range(2):
        bpy.ops.ed.redo()
    np.testing.assert_array_equal(pixels(bpy.data.images["moss target"]), edited)


def test_saving_the_file_saves_the_edits(pair, tmp_path):
    _, target = pair()
    bpy.ops.selfrect.erase(path="25 25", radius=10)
    edited = pixels(target)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    assert np.array_equal(pixels(target), edited)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    np.testing.assert_array_equal(pixels(bpy.data.images["rough"]), edited)
    bpy.ops.selfrect.transform_target(mirror_y=True)
    np.testing.assert_array_equal(pixels(bpy.data.images["rough"]), edited[::-1])


def test_an_undo_of_something_else_touches_no_pixel(pair):
    _, target = pair()
    bpy.ops.selfrect.erase(path="25 25", radius=10)
    bpy.ops.ed.undo_push(message="erase")
    bpy.context.scene.frame_current = 7
    bpy.ops.ed.undo_push(message="frame")
    painted = pixels(target)
    painted[:5, :5] = (0, 0, 1, 1)  # a script's, after the edit
    target.pixels.foreach_set(painted.ravel())
    bpy.ops.ed.undo()
    np.testing.assert_array_equal(pixels(bpy.data.images["rough"]), painted)


def test_what_an_older_stroke_takes_along_is_given_back(pair, extension):
    """Blender's undo of a stroke puts back whole tiles of an earlier stroke's time: without the edit that came between."""
    undo = importlib.import_module(f"{extension.images.__package__}.edit_undo")
    _, target = pair()
    before = pixels(target)
    bpy.ops.selfrect.stamp(box=(0, 0, 30, 30), location=(25, 25))
    edited = pixels(target)
    stroke = edited.copy()
    stroke[20:22, 20:30] = 1
    undo._mend(target, stroke)  # the tile did change, to what it is: nothing to mend
    np.testing.assert_array_equal(pixels(target), edited)
    target.pixels.foreach_set(before.ravel())  # what Blender does
    undo._mend(target, stroke)
    np.testing.assert_array_equal(pixels(target), edited)


def test_scatter_says_how_many(pair, capfd):
    pair()
    bpy.ops.selfrect.scatter(box=(0, 0, 20, 20), count=100, turn=0, smallest=1, largest=1)
    assert "of 100 copies found a place" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: bpy.ops.selfrect.stamp(box=(200, 200, 300, 300)), "No pixel of the image is picked"),
        (lambda: bpy.ops.selfrect.stamp(), "No pixel of the image is picked"),
        (lambda: bpy.ops.selfrect.stamp(target="none", box=(0, 0, 9, 9)), "no image “none”"),
        (lambda: bpy.ops.selfrect.erase(path="1 2 3"), "groups of 2 numbers, got 3"),
        (lambda: bpy.ops.selfrect.erase(), "groups of 2 numbers, got 0"),
        (lambda: bpy.ops.selfrect.warp(columns=2, rows=2, offsets="1 2"), "need 4 offsets, got 1"),
    ],
)
def test_mistakes_are_told_and_change_nothing(pair, state_of_file, call, sentence):
    pair()
    before = state_of_file()
    with pytest.raises(RuntimeError, match=sentence):
        call()
    assert state_of_file() == before


def test_an_image_without_alpha_channel_is_refused(pair, tmp_path):
    _, target = pair()
    target.file_format = "OPEN_EXR"
    scene = bpy.context.scene
    if hasattr(scene.render.image_settings, "media_type"):
        scene.render.image_settings.media_type = "IMAGE"
    scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "OPEN_EXR", "BW"
    target.save_render(str(tmp_path / "grey.exr"))
    grey = bpy.data.images.load(str(tmp_path / "grey.exr"))
    if grey.channels == 4:
        pytest.skip("this Blender reads one channel as four")
    with pytest.raises(RuntimeError, match="none for what is transparent"):
        bpy.ops.selfrect.erase(target=grey.name, path="5 5")
