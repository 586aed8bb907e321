# SPDX-License-Identifier: GPL-3.0-or-later
"""Played like panel.py: a material with all its maps, a mask with Heal, further references. The real engine draws.

    blender … --python material.py -- OUT slow=LOCATION real=LOCATION
"""

from __future__ import annotations

import sys
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "data"))

import stage
from bl_ext.user_default.selfrect_blender.selfrect_blender import main_thread
from bl_ext.user_default.selfrect_blender.selfrect_blender.scene import history
from bl_ext.user_default.selfrect_blender.selfrect_blender.ui import edit_panel, maps_panel, references_panel, region_panel, settings_panel
from draw_material import draw_material
from material_scene import new_image, new_material
from stage import SIZE, arrange, button, click, open_tab, operate, pixels, run, shot, use

#: on the left what says where and from what, on the right what follows
_PANELS = [references_panel.PANELS[0], region_panel.PANELS[0], maps_panel.PANELS[1]]
_AWAY = [edit_panel, settings_panel]


def choices():
    """The scene's choices; looked up anew each time, for undo and loading replace them."""
    return bpy.context.scene.selfrect


def play():
    """The scenario, one screenshot a step."""
    use("slow")
    show_what_is_played()
    left, right = arrange("IMAGE_EDITOR", "ShaderNodeTree")
    yield 1.0
    for area in (left, right):
        yield lambda area=area: open_tab(area)
    material = bpy.context.view_layer.objects.active.active_material = new_material(draw_material(SIZE))
    choices().reference = bpy.data.images["copper"]
    choices().target = new_image("rough", rough(), is_data=False)
    left.spaces.active.image = choices().target
    run(left, bpy.ops.image.view_all, fit_view=True)
    bpy.context.scene.selfrect_settings.steps = 8
    yield 0.7
    run(right, bpy.ops.node.view_all)
    yield 1.0
    shot("01-maps-found")
    yield from rectify_with_maps(left)
    yield from apply_and_revert(right, material)
    yield from heal(left)
    yield from two_references(left)
    for away in _AWAY:
        away.register()  # for Blender's end, which takes them away


def rough() -> np.ndarray:
    """The copper with two of its parts changed and a strip of background between them."""
    picture = np.ones((SIZE, SIZE, 4), np.float32)
    picture[..., :3] = draw_material(SIZE)["base_color"]
    half = SIZE // 2
    picture[:, :half] = picture[:, :half][::-1]
    picture[:, half - 10 : half + 10, 3] = 0
    return picture


def show_what_is_played() -> None:
    """The closed sub-panels that this is about stand open, large ones that it is not about are away; before any was drawn."""
    for away in _AWAY:
        away.unregister()
    for panel in _PANELS:
        bpy.utils.unregister_class(panel)
        panel.bl_options = set()
        bpy.utils.register_class(panel)


def wait_for_result():
    """Until the engine is done; what went wrong ends the scenario."""
    yield lambda: main_thread.working() is not None
    yield lambda: main_thread.working() is None
    yield 1.0
    assert main_thread.latest().problem is None, main_thread.latest().problem


def rectify_with_maps(left):
    """Every map comes back, in its own colour space, of the result's size."""
    use("real")
    operate("undo_push", message="settings of the scenario")
    yield from click(left, *button(left, "rectify"))
    yield from wait_for_result()
    made = history.maps_of(choices().result)
    assert set(made) == {"normal", "orm", "height"}, made
    for image in made.values():
        assert tuple(image.size) == (SIZE, SIZE)
        assert image.colorspace_settings.is_data
        assert pixels(image).std() > 0.01
    shot("02-result-with-maps")


def apply_and_revert(right, material):
    """All maps into the material in one step, all out again."""
    result = choices().result.name
    made = {image.name for image in history.maps_of(choices().result).values()}
    before = held(material)
    run(right, bpy.ops.selfrect.apply_to_material, "EXEC_DEFAULT")
    yield 1.0
    assert held(material) == {result, *made}, held(material)
    shot("03-applied")
    run(right, bpy.ops.selfrect.revert_material, "EXEC_DEFAULT")
    yield 1.0
    assert held(material) == before
    shot("04-reverted")


def held(material) -> set[str]:
    """The images in the material's nodes."""
    return {node.image.name for node in material.node_tree.nodes if node.bl_idname == "ShaderNodeTexImage"}


def heal(left):
    """A hole in the reference, drawn as a mask: outside of it not a bit changes."""
    mask = np.zeros((SIZE, SIZE), np.float32)
    mask[40:80, 50:90] = 1
    texture = choices().target = bpy.data.images["copper"]
    choices().mask = new_image("hole", mask, is_data=True)
    left.spaces.active.image = choices().mask
    yield 0.7
    shot("05-mask")
    run(left, bpy.ops.selfrect.heal, "EXEC_DEFAULT")
    yield from wait_for_result()
    before, after = (pixels(image).reshape(SIZE, SIZE, 4)[::-1] for image in (texture, choices().result))
    hole = mask > 0
    np.testing.assert_allclose(srgb(after[~hole][:, :3]), before[~hole][:, :3], atol=1e-6)
    assert np.abs(srgb(after[hole][:, :3]) - before[hole][:, :3]).max() > 0.05
    shot("06-healed")


def srgb(linear: np.ndarray) -> np.ndarray:
    """What a float image holds, as the 8 bits of another one say it."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)


def two_references(left):
    """A second texture comes in with a weight; the panel lists it."""
    choices().mask = None
    choices().target = bpy.data.images["rough"]
    left.spaces.active.image = stage.wood("wood", turned=False)
    run(left, bpy.ops.selfrect.reference_add, "EXEC_DEFAULT")
    assert choices().references[0].image.name == "wood"
    left.spaces.active.image = choices().target
    yield 0.7
    shot("07-references")
    run(left, bpy.ops.selfrect.rectify, "EXEC_DEFAULT")
    yield from wait_for_result()
    shot("08-from-two")


stage.play(play())
