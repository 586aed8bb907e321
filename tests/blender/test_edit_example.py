# SPDX-License-Identifier: GPL-3.0-or-later
"""The example script that builds a target by stamping, and that what it built is in the saved file."""

from __future__ import annotations

import runpy
from pathlib import Path

import bpy
import numpy as np

SCRIPT = Path(__file__).resolve().parents[1] / "data" / "stamp_target.py"


def pixels(image):
    flat = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(flat)
    return flat.reshape(image.size[1], image.size[0], 4)


def test_a_target_is_built_without_a_window(extension, new_image, tmp_path):
    reference, given = new_image(96, 96, "reference", seed=4)
    reference.filepath_raw, reference.file_format = str(tmp_path / "reference.png"), "PNG"
    reference.save()
    runpy.run_path(str(SCRIPT))["main"]([reference.filepath_raw, str(tmp_path / "target.blend")])
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "target.blend"))
    target = pixels(bpy.context.scene.selfrect.target)
    assert target.shape == given.shape
    transparent = (target[..., 3] == 0).mean()
    assert 0.02 < transparent < 0.5, "some background is left around the petals"
    assert (target[..., 3] == 1).mean() > 0.4
    np.testing.assert_allclose(target[0, 0, :3], given[0, 0, :3], atol=0.1, err_msg="the warp moves inner handles: a corner stays")
    assert not np.array_equal(target, given)
