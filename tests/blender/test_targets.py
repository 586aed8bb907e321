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
