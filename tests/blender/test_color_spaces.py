# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of any colour space come back in their own: the same name, the same light in a render, after saving and loading too."""

from __future__ import annotations

import importlib

import bpy
import numpy as np
import pytest
from results import new_result

SPACES = ["sRGB", "Linear Rec.709", "ACEScg", "Linear Rec.2020", "Display P3", "Filmic sRGB", "AgX Base sRGB", "AgX Log", "Non-Color"]


@pytest.fixture
def color_spaces(extension):
    return importlib.import_module(extension.images.__package__ + ".color_spaces")


def buffer(image):
    flat = np.empty(image.size[0] * image.size[1] * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    return flat.reshape(image.size[1], image.size[0], -1)


def loaded(color_spaces, numbers, space):
    """A float image with these numbers (H, W, 3) of a colour space in its file, as an EXR that was opened."""
    image = bpy.data.images.new("opened.exr", numbers.shape[1], numbers.shape[0], alpha=False, float_buffer=True)
    image.source = "FILE"
    file = color_spaces.exr.encoded(numbers.astype(np.float32))
    image.pack(data=file, data_len=len(file))
    image.colorspace_settings.name = space
    return image


def rectified(reference, target=None):
    choices = bpy.context.scene.selfrect
    choices.reference, choices.target = reference, target or reference
    assert bpy.ops.selfrect.rectify() == {"FINISHED"}
    return choices.result


@pytest.mark.parametrize("space", SPACES)
def test_bytes_come_back_in_their_space_and_shine_alike(engine, color_spaces, new_image, render, space, tmp_path):
    engine("good")
    image, painted = new_image(32, 32, name="texture", space=space)
    result = rectified(image)
    assert (result.colorspace_settings.name, result.is_float, bool(result.packed_file)) == (space, True, True)
    light = painted[..., :3] if space == "Non-Color" else color_spaces.light(buffer(image)[..., :3], space)
    np.testing.assert_allclose(buffer(result)[..., :3], light, rtol=2e-5, atol=2e-5 if space != "Non-Color" else 0.002)
    expected = render(image)  # Cycles converts bytes itself, and keeps half of the bits
    np.testing.assert_allclose(render(result), expected, atol=np.abs(expected).max() * (0.02 if "AgX" not in space else 0.05))
    assert expected.std() > 0.05
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    result = bpy.context.scene.selfrect.result
    assert result.colorspace_settings.name == space
    result.colorspace_settings.is_data = True  # what is packed, as it is
    numbers = buffer(result)[..., :3]
    np.testing.assert_allclose(numbers, np.round(painted[..., :3] * 255) / 255, atol=2e-5 if space == "sRGB" else 3e-6)


@pytest.mark.parametrize("space", ["sRGB", "Linear Rec.709", "ACEScg", "Linear Rec.2020", "Filmic sRGB", "Non-Color"])
def test_light_of_a_file_comes_back_with_what_is_above_one(engine, color_spaces, space, tmp_path):
    engine("good")
    brightest = 1 if space == "Filmic sRGB" else 6
    numbers = np.random.default_rng(1).random((32, 32, 3), np.float32) * brightest
    image = loaded(color_spaces, numbers, space)
    result = rectified(image)
    assert result.colorspace_settings.name == space
    light = buffer(image)[..., :3]
    assert light.max() > 4
    tolerance = {"rtol": 0.01, "atol": 0.01} if space == "Filmic sRGB" else {"rtol": 3e-4, "atol": 2e-5}
    np.testing.assert_allclose(buffer(result)[..., :3], light, **tolerance)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    np.testing.assert_allclose(buffer(bpy.context.scene.selfrect.result)[..., :3], light, **tolerance)


def test_what_the_engine_sees_is_display_values_of_the_same_colour(extension, new_image, color_spaces):
    """A grey of ACEScg is a grey; its pure green lies outside of sRGB, which negative numbers tell."""
    numbers = np.zeros((32, 32, 3), np.float32) + 0.18
    numbers[:16] = (0, 1, 0)
    seen = extension.images.read(loaded(color_spaces, numbers, "ACEScg"), "reference").display()
    np.testing.assert_allclose(seen[20, 0, :3], 0.4613, atol=1e-3)
    assert seen[0, 0, 0] < -1
    assert seen[0, 0, 1] > 1
    byte = new_image(32, 32, space="AgX Base sRGB", color=0.5)[0]
    (kept,), own = extension.images.alike([extension.images.read(byte, "reference")])
    assert own == "AgX Base sRGB"
    np.testing.assert_allclose(kept.display()[..., :3], 0.5, atol=0.003)


def test_pictures_of_different_spaces_meet_in_light(engine, color_spaces, new_image):
    engine("good")
    reference = new_image(32, 32, name="agx", space="AgX Base sRGB")[0]
    target = new_image(32, 32, name="rough", space="sRGB", seed=5)[0]
    result = rectified(reference, target)
    assert result.colorspace_settings.name == "AgX Base sRGB"
    light = color_spaces.light(buffer(target)[..., :3], "sRGB")
    np.testing.assert_allclose(buffer(result)[..., :3], light, atol=5e-5)
    result = rectified(target, reference)
    assert result.colorspace_settings.name == "sRGB"
    light = color_spaces.light(buffer(reference)[..., :3], "AgX Base sRGB")
    np.testing.assert_allclose(buffer(result)[..., :3], light, rtol=1e-4, atol=1e-4)


def test_what_an_artist_paints_on_a_result_keeps_its_colours(extension, engine, new_image, tmp_path):
    """Blender packs a painted float image as light, whatever it is called."""
    engine("good")
    result = rectified(new_image(32, 32, name="texture", space="ACEScg")[0])
    result.pixels.foreach_set(np.full(32 * 32 * 4, 0.25, np.float32))
    result.update()
    result.pack()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    np.testing.assert_allclose(buffer(result)[..., :3], 0.25, atol=1e-6)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    result = bpy.context.scene.selfrect.result
    np.testing.assert_allclose(buffer(result)[..., :3], 0.25, atol=1e-6)


def test_kinds_are_found_by_asking_blender(color_spaces):
    kinds = {name: color_spaces._found_out(name).kind for name in ("sRGB", "Linear Rec.709", "ACEScg", "Display P3", "AgX Log")}
    assert kinds == {"sRGB": "srgb", "Linear Rec.709": "linear", "ACEScg": "linear", "Display P3": "own", "AgX Log": "own"}
    assert color_spaces._found_out("Linear Rec.709").to_rec709 is None
    white = color_spaces.named("ACEScg").to_rec709 @ np.ones(3)
    np.testing.assert_allclose(white, 1, atol=1e-3)


@pytest.mark.parametrize("space", ["ACEScg", "Display P3", "Filmic sRGB", "Filmic Log"])
def test_there_and_back_through_blender(color_spaces, space):
    numbers = np.random.default_rng(2).random((8, 16, 3), np.float32) * 0.8 + 0.1
    there = color_spaces.light(numbers, space)
    np.testing.assert_allclose(color_spaces.values(there, space), numbers, atol=3e-5)
    assert [image.name for image in bpy.data.images] == []
    assert "selfrect output" not in bpy.data.scenes


@pytest.mark.skipif(bpy.app.version < (5, 0), reason="the working space is Linear Rec.709")
@pytest.mark.parametrize("space", ["sRGB", "Linear Rec.709", "ACEScg", "AgX Base sRGB"])
def test_a_file_that_works_in_another_space(engine, color_spaces, new_image, space, tmp_path):
    engine("good")
    bpy.ops.wm.set_working_color_space(working_space="ACEScg")
    assert bpy.data.colorspace.working_space == "ACEScg"
    image = new_image(32, 32, name="texture", space=space)[0]
    result = rectified(image)
    assert result.colorspace_settings.name == space
    light = color_spaces.light(buffer(image)[..., :3], space)
    np.testing.assert_allclose(buffer(result)[..., :3], light, rtol=2e-4, atol=2e-5)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    np.testing.assert_allclose(buffer(bpy.context.scene.selfrect.result)[..., :3], light, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("ending", [".png", ".tif", ".exr"])
@pytest.mark.parametrize("space", ["Display P3", "AgX Base sRGB", "ACEScg"])
def test_files_of_results_keep_the_numbers_of_their_space(extension, engine, new_image, tmp_path, space, ending):
    engine("good")
    result = rectified(new_image(32, 32, name="texture", space=space)[0])
    extension.picture_files.save(result, str(tmp_path / f"result{ending}"))
    opened = bpy.data.images.load(str(tmp_path / f"result{ending}"))
    opened.colorspace_settings.name = "sRGB" if space == "ACEScg" and ending != ".exr" else space
    light = buffer(result)[..., :3]
    if space == "ACEScg" and ending != ".exr":
        light = np.clip(light, 0, 1)  # what a file of display values can hold
    np.testing.assert_allclose(buffer(opened)[..., :3], light, rtol=0.03, atol=2e-4)


@pytest.mark.parametrize("ending", [".png", ".exr"])
def test_colour_and_alpha_are_written_as_they_are(extension, tmp_path, ending):
    picture = np.random.default_rng(0).random((32, 32, 4), np.float32)
    flat = extension.images.pixels.to_blender(picture)
    image = new_result("result", flat, 32, 32, is_data=True, alpha=True)
    extension.picture_files.save(image, str(tmp_path / f"result{ending}"))
    opened = bpy.data.images.load(str(tmp_path / f"result{ending}"))
    opened.colorspace_settings.name, opened.alpha_mode = "Non-Color", "CHANNEL_PACKED"
    seen = buffer(image)[..., 3] > 0.01
    np.testing.assert_allclose(buffer(opened)[seen], buffer(image)[seen], atol=1e-3 if ending == ".png" else 2e-5)


def test_a_patch_keeps_its_colour_on_a_target_of_another_space(color_spaces, new_image):
    source = new_image(32, 32, name="agx", space="AgX Base sRGB", color=(0.4, 0.5, 0.6))[0]
    target = new_image(32, 32, name="rough", space="sRGB", color=0.0)[0]
    bpy.ops.selfrect.stamp(source=source.name, target=target.name, box=(4, 4, 28, 28), location=(16, 16))
    light = color_spaces.light(buffer(source)[:1, :1, :3], "AgX Base sRGB")[0, 0]
    np.testing.assert_allclose(color_spaces.light(buffer(target)[16:17, 16:17, :3], "sRGB")[0, 0], np.clip(light, 0, 1), atol=0.006)
