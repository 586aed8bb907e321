# SPDX-License-Identifier: GPL-3.0-or-later
"""A result and its maps in a folder: names, depths, and the numbers that come back when the files are read."""

from __future__ import annotations

import importlib

import bpy
import numpy as np
import pytest
from results import new_result

UI = "bl_ext.user_default.selfrect_blender.selfrect_blender"
NAMES = {"bark rectified", "bark rectified_normal", "bark rectified_opacity", "bark rectified_emission"}


@pytest.fixture
def result(extension, new_image):
    """A result whose maps have a ramp, alpha of their own, and light above 1."""
    ramp = np.linspace(0, 1, 64 * 64, dtype=np.float32)
    maps = {}
    for name, is_data, scale in (("", False, 1), ("normal", True, 1), ("opacity", True, 1), ("emission", False, 3)):
        flat = np.stack([ramp * scale, ramp[::-1] * scale, np.full_like(ramp, 0.25 * scale), np.ones_like(ramp)], axis=1)
        if name == "opacity":
            flat[:, 3] = 0.1 + 0.9 * ramp  # Blender writes no colour into a TIFF where alpha is 0
            flat[:64, 3] = 0
        full = f"bark rectified_{name}".rstrip("_")
        maps[name] = new_result(full, flat.ravel(), 64, 64, is_data=is_data, alpha=name == "opacity")
    made = maps.pop("")
    for name, image in maps.items():
        extension.history.add_map(made, name, image, "", "")
    bpy.context.scene.selfrect.result = made
    return made


def flat_of(image):
    flat = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(flat)
    return flat


def loaded(path, is_data):
    image = bpy.data.images.load(str(path))
    if is_data:
        image.colorspace_settings.is_data = True
        image.alpha_mode = "CHANNEL_PACKED"
    return image


@pytest.mark.parametrize(
    ("file_format", "depth", "ending", "error"),
    [
        ("PNG", "8", ".png", 0.5 / 255),
        ("PNG", "16", ".png", 0.6 / 65535),
        ("TIFF", "16", ".tif", 0.6 / 65535),
        ("OPEN_EXR", "32", ".exr", 0),
    ],
)
def test_files_have_their_suffix_their_depth_and_the_same_numbers(extension, result, tmp_path, file_format, depth, ending, error):
    assert bpy.ops.selfrect.save_result(directory=str(tmp_path), file_format=file_format, depth=depth) == {"FINISHED"}
    assert {path.name for path in tmp_path.iterdir()} == {name + ending for name in NAMES}
    normal = loaded(tmp_path / f"bark rectified_normal{ending}", is_data=True)
    assert normal.is_float == (depth != "8")
    np.testing.assert_allclose(flat_of(normal), flat_of(bpy.data.images["bark rectified_normal"]), atol=error + 1e-7)
    opacity = loaded(tmp_path / f"bark rectified_opacity{ending}", is_data=True)
    np.testing.assert_allclose(flat_of(opacity)[3::4], flat_of(bpy.data.images["bark rectified_opacity"])[3::4], atol=error + 1e-7)
    color = extension.images.read(loaded(tmp_path / f"bark rectified{ending}", is_data=False), "reference").display()
    np.testing.assert_allclose(color, extension.images.read(result, "reference").display(), atol=error + 1e-4)
    if ending == ".exr":
        emission = loaded(tmp_path / f"bark rectified_emission{ending}", is_data=False)
        np.testing.assert_allclose(flat_of(emission), flat_of(bpy.data.images["bark rectified_emission"]), atol=1e-6)


@pytest.mark.parametrize(("file_format", "depth", "error"), [("PNG", "8", 0.5 / 255), ("PNG", "16", 3e-5), ("OPEN_EXR", "32", 1e-6)])
def test_images_can_be_their_files_from_then_on(extension, result, tmp_path, file_format, depth, error):
    before = {name: extension.images.read(bpy.data.images[name], "map").display() for name in NAMES}
    bpy.ops.selfrect.save_result(directory=str(tmp_path), file_format=file_format, depth=depth, use_files=True)
    path = str(tmp_path / "scene.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    for name, picture in before.items():
        image = bpy.data.images[name]
        assert (image.source, image.packed_file) == ("FILE", None)
        assert image.colorspace_settings.is_data == (name in {"bark rectified_normal", "bark rectified_opacity"})
        most = 1 if file_format == "PNG" else np.inf
        expected = np.minimum(picture, most)
        np.testing.assert_allclose(extension.images.read(image, "map").display()[..., :3], expected[..., :3], atol=error + 1e-4)
        if name.endswith("opacity"):
            assert (picture[..., 3] == 0).sum() == 64
            np.testing.assert_allclose(extension.images.read(image, "map").display(), picture, atol=error + 1e-6)


def test_no_folder_and_no_result_are_told(extension, result, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match="is no folder"):
        bpy.ops.selfrect.save_result(directory=str(tmp_path / "file"))
    with pytest.raises(RuntimeError, match="is no folder"):
        bpy.ops.selfrect.save_result()
    bpy.context.scene.selfrect.result = None
    with pytest.raises(RuntimeError, match="no result yet"):
        bpy.ops.selfrect.save_result(directory=str(tmp_path))


def test_a_depth_that_a_format_has_not_becomes_the_nearest(extension, result, tmp_path):
    map_files = importlib.import_module(f"{UI}.scene.map_files")
    (first, *_) = map_files.save(result, str(tmp_path), "PNG", 32)
    assert loaded(first, is_data=False).is_float
