# SPDX-License-Identifier: GPL-3.0-or-later
"""The copper scales through the real engine: what belonged together in the reference belongs together in the result."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "data"))
SIZE = 96


def pixels(image):
    """(H, W, 3) as in the buffer, top row first."""
    flat = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(flat)
    return flat.reshape(image.size[1], image.size[0], 4)[::-1, :, :3]


@pytest.fixture
def copper(extension):
    """The material's maps as arrays; the scene with it is open."""
    from draw_example import bent_board, rough_target
    from draw_material import draw_material
    from material_scene import make_material_scene

    maps = draw_material(SIZE)
    make_material_scene(maps, rough_target(maps["base_color"], bent_board()))
    return maps


def test_maps_stay_functions_of_each_other_and_are_plugged_in(extension, real_engine, copper, tmp_path):
    from draw_material import orm
    from material_scene import MATERIAL

    report = tmp_path / "report.json"
    words = ["--reference", "copper", "--target", "copper rough", "--material", MATERIAL, "--quality", "draft"]
    code = extension.cli.main(["rectify", "--engine", real_engine, "--report", str(report), *words])
    told = json.loads(report.read_text())
    assert (code, told["problem"]) == (0, None)
    assert set(told["maps"]) == {"orm", "normal", "height"} == set(told["material"]["maps"])
    made = {name: pixels(bpy.data.images[each["image"]]) for name, each in told["maps"].items()}
    height, packed = made["height"][..., 0], made["orm"]
    assert height.std() > 0.05
    expected = orm(height, 1 - packed[..., 2])
    assert np.abs(packed - expected).mean() < 0.02
    lengths = np.linalg.norm(made["normal"] * 2 - 1, axis=-1)
    assert np.abs(lengths - 1).max() < 1e-3
    for name, each in made.items():
        source = copper[name] if copper[name].ndim == 3 else copper[name][..., None]
        assert source.min() - 1e-3 <= each.min()
        assert each.max() <= source.max() + 1e-3
    nodes = bpy.data.materials[MATERIAL].node_tree.nodes
    shown = {node.image.name for node in nodes if node.type == "TEX_IMAGE"}
    assert shown == {told["result"], *(each["image"] for each in told["maps"].values())}


def test_a_hole_is_healed_in_all_maps_and_only_there(extension, real_engine, copper, new_image):
    bpy.context.preferences.addons[extension.extension.ROOT_PACKAGE].preferences.engine_location = real_engine
    hole = np.zeros((SIZE, SIZE), bool)
    hole[40:60, 30:56] = True
    mask, _ = new_image(SIZE, SIZE, "hole", space="Non-Color", color=hole[::-1, :, None].astype(np.float32))
    bpy.ops.selfrect.heal(image="copper", mask=mask.name, quality="DRAFT")
    result = bpy.context.scene.selfrect.result
    made = extension.history.maps_of(result)
    assert set(made) == {"orm", "normal", "height"}
    for name, image in made.items():
        before, after = pixels(bpy.data.images[f"copper_{name}"]), pixels(image)
        np.testing.assert_array_equal(after[~hole], before[~hole])
        assert np.abs(after - before)[hole].max() > 0.01, "new inside"
