# SPDX-License-Identifier: GPL-3.0-or-later
"""Pixels out of and into the .blend: exact, in the right colours, painted and never saved ones included."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from results import new_result

KINDS = [("sRGB", False), ("Non-Color", False), ("Linear Rec.709", False), ("Linear Rec.709", True), ("Non-Color", True)]


def srgb(linear):
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize(("space", "is_float"), KINDS)
def test_painted_and_never_saved_pixels_are_read_in_display_values(extension, new_image, space, is_float):
    image, painted = new_image(48, 32, space=space, is_float=is_float)
    expected = painted[::-1].copy()  # top row first
    if space == "Linear Rec.709":
        expected[..., :3] = srgb(expected[..., :3])
    read = extension.images.read(image, "reference").display()
    assert read.shape == (32, 48, 4)
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, expected, atol=1e-6 if is_float else 0.026 if "Linear" in space else 0.002)


def test_float_color_is_freed_from_its_alpha_and_data_is_not(extension, new_image):
    alpha = np.full((32, 32, 1), 0.25, np.float32)
    image, painted = new_image(32, 32, space="Linear Rec.709", is_float=True, alpha=alpha)
    painted[..., :3] *= 0.25  # as Blender keeps it
    image.pixels.foreach_set(painted.ravel())
    read = extension.images.read(image, "target").display()
    np.testing.assert_allclose(read[..., :3], srgb(painted[::-1, :, :3] / 0.25), atol=1e-5)
    data, painted = new_image(32, 32, space="Non-Color", is_float=True, alpha=alpha)
    np.testing.assert_array_equal(extension.images.read(data, "target").display(), painted[::-1])


@pytest.mark.parametrize("depth", ["BW 8", "RGB 8", "RGBA 8", "RGB 16", "BW 16", "RGB EXR"])
def test_files_of_any_depth(extension, new_image, tmp_path, depth):
    """A grey ramp, the same in all channels, through a file."""
    ramp = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[None, :, None], 32, 0)
    channels, bits = depth.split()
    image, _ = new_image(64, 32, space="Non-Color", is_float=bits != "8", color=ramp)
    scene = bpy.context.scene
    scene.view_settings.view_transform = "Raw"
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = "OPEN_EXR" if bits == "EXR" else "PNG"
    settings.color_mode, settings.color_depth = channels, "32" if bits == "EXR" else bits
    path = tmp_path / ("ramp.exr" if bits == "EXR" else "ramp.png")
    image.save_render(str(path), scene=scene)
    loaded = bpy.data.images.load(str(path))
    read = extension.images.read(loaded, "reference").display()
    expected = srgb(ramp) if bits == "EXR" else ramp
    np.testing.assert_allclose(read[..., :3], np.broadcast_to(expected, (32, 64, 3)), atol=0.003 if bits == "8" else 3e-5)


@pytest.mark.parametrize("is_data", [False, True])
def test_result_survives_saving_and_loading_to_the_last_bit(extension, tmp_path, is_data):
    picture = np.random.default_rng(0).random((32, 48, 3), np.float32)
    image = new_result("result", extension.images.encode(picture, is_data), 48, 32, is_data)
    image.use_fake_user = True
    before = np.empty(48 * 32 * 4, np.float32)
    image.pixels.foreach_get(before)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    image, after = bpy.data.images["result"], np.empty_like(before)
    image.pixels.foreach_get(after)
    assert image.packed_file
    assert image.is_float
    np.testing.assert_array_equal(after, before)
    read = extension.images.read(image, "reference").display()
    np.testing.assert_allclose(read[..., :3], picture, atol=2e-6)


@pytest.mark.parametrize(("space", "is_float"), KINDS)
def test_result_renders_in_the_colors_of_its_reference(extension, new_image, render, space, is_float):
    """A plane that shines with the image: once with the reference, once with a result of the same display values."""
    image, _ = new_image(32, 32, space=space, is_float=is_float)
    pixels = extension.images.read(image, "reference").display()
    flat = extension.images.encode(pixels[..., :3], image.colorspace_settings.is_data)
    result = new_result("result", flat, 32, 32, image.colorspace_settings.is_data)
    np.testing.assert_allclose(render(result), render(image), atol=1e-5)
    assert render(image).std() > 0.1


def bad_images(tmp_path):
    new = bpy.data.images.new

    def missing():
        image = new("missing", 64, 64)
        image.source, image.filepath = "FILE", str(tmp_path / "nowhere.png")
        return image

    def of_source(source):
        image = new("x", 64, 64)
        image.source = source
        return image

    return {
        "no reference is chosen": lambda: None,
        "no pixels": missing,
        "movie": lambda: of_source("MOVIE"),
        "sequence": lambda: of_source("SEQUENCE"),
        "udim": lambda: new("x", 64, 64, tiled=True),
        "render result": rendered,
        "viewer": viewer,
        "1 × 1 pixels": lambda: new("x", 1, 1),
        "4096 × 1 pixels": lambda: new("x", 4096, 1),
        "16640 × 1024": lambda: new("x", 16640, 1024),
    }


def rendered():
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(scene.camera)
    scene.render.engine, scene.render.resolution_x, scene.render.resolution_y = "CYCLES", 8, 8
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    bpy.ops.render.render()
    return bpy.data.images["Render Result"]


def viewer():
    if bpy.app.version >= (5, 0):
        pytest.skip("Blender 5 makes the viewer's image in a window only")
    bpy.context.scene.use_nodes = True
    bpy.context.scene.node_tree.nodes.new("CompositorNodeViewer")
    return bpy.data.images["Viewer Node"]


def _ordered(extension, image):
    extension.images.check(image, "reference")
    extension.rectify.order(bpy.context.scene, image, image).request.check()


@pytest.mark.parametrize("words", list(bad_images("")))
def test_each_bad_image_gets_its_sentence_and_remedy(extension, tmp_path, words):
    image = bad_images(tmp_path)[words]()
    with pytest.raises(extension.problems.Problem) as caught:
        _ordered(extension, image)
    problem = caught.value
    assert problem.code == "bad_input"
    assert words in problem.sentence.lower()
    assert len(problem.remedy) > 10


def test_an_image_of_nan_is_told_when_the_request_is_checked(extension, new_image):
    image, painted = new_image(64, 64, is_float=True, space="Linear Rec.709")
    painted[3, 5, 1] = np.nan
    image.pixels.foreach_set(painted.ravel())
    order = extension.rectify.order(bpy.context.scene, image, image)
    with pytest.raises(extension.problems.Problem, match="NaN"):
        order.request.check()


@pytest.mark.parametrize("ending", [".png", ".tif", ".exr"])
@pytest.mark.parametrize("is_data", [False, True])
def test_results_are_written_without_an_8_bit_step(extension, tmp_path, ending, is_data):
    picture = np.random.default_rng(1).random((32, 48, 3), np.float32)
    image = new_result("result", extension.images.encode(picture, is_data), 48, 32, is_data)
    scenes = len(bpy.data.scenes)
    path = tmp_path / "new folder" / f"result{ending}"
    extension.picture_files.save(image, str(path))
    loaded = bpy.data.images.load(str(path))
    if is_data:
        loaded.colorspace_settings.name = "Non-Color"
    read = extension.images.read(loaded, "reference").display()
    np.testing.assert_allclose(read[..., :3], picture, atol=2e-6 if ending == ".exr" else 2e-5)
    assert len(bpy.data.scenes) == scenes


def test_a_place_that_cannot_be_written_to_is_told(extension, tmp_path, new_image):
    image, _ = new_image(32, 32)
    (tmp_path / "file").write_text("")
    with pytest.raises(extension.problems.Problem, match="could not be written"):
        extension.picture_files.save(image, str(tmp_path / "file" / "x.png"))
    with pytest.raises(extension.problems.Problem, match="ending"):
        extension.picture_files.save(image, str(tmp_path / "x.jpg"))


def test_a_full_disk_is_told_with_its_numbers_and_the_old_file_stays(extension, tmp_path, new_image, monkeypatch):
    image, _ = new_image(64, 64)
    path = tmp_path / "result.png"
    path.write_text("the old one")
    monkeypatch.setattr(extension.picture_files.shutil, "disk_usage", lambda folder: SimpleNamespace(free=100_000))
    with pytest.raises(extension.problems.Problem, match=r"needs up to 1 MB, but its disk has 0 MB left") as caught:
        extension.picture_files.save(image, str(path))
    assert caught.value.code == "disk_full"
    with pytest.raises(extension.problems.Problem) as caught:
        extension.picture_files.save_blend(str(tmp_path / "no folder" / "x.blend" / "x.blend"))
    assert caught.value.code == "bad_input"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.png"]
    assert path.read_text() == "the old one"


def test_data_lands_as_its_file_which_nobody_has_to_write_or_read_in_the_main_thread(extension):
    """Blender takes half a second for either, at 4096²."""
    flat = np.random.default_rng(2).random(48 * 32 * 4, np.float32)
    image = new_result("result", flat, 48, 32, is_data=True, alpha=True)
    assert (image.source, image.is_dirty, image.has_data) == ("FILE", False, False), "not read yet"
    back = np.empty_like(flat)
    image.pixels.foreach_get(back)
    np.testing.assert_array_equal(back, flat)
    assert (image.colorspace_settings.is_data, image.alpha_mode, image.depth) == (True, "CHANNEL_PACKED", 128)
