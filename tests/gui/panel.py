# SPDX-License-Identifier: GPL-3.0-or-later
"""Played inside a Blender with a window by `run`: the panel in its states, with engines that are slow and that die.

    blender … --python panel.py -- OUT slow=LOCATION dies=LOCATION real=LOCATION

Each step of `play` yields seconds to wait, or a condition to wait for. Whatever fails ends Blender with an exit code
other than 0; OUT/scenario.done says that the end was reached.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import stage
from bl_ext.user_default.selfrect_blender.selfrect_blender import main_thread
from bl_ext.user_default.selfrect_blender.selfrect_blender.scene import editors
from stage import arrange, assert_result, base_color_image, button, click, open_tab, operate, pixels, region, run, shot, use, wood


def play():
    """The scenario. Buttons are clicked where they are in a window of 1600 × 900 at factory scale."""
    image_area, shader_area = arrange("IMAGE_EDITOR", "ShaderNodeTree")
    yield 1.0
    for area in (image_area, shader_area):
        yield lambda area=area: open_tab(area)
    yield 1.0
    shot("01-no-engine")
    use("slow")
    yield 1.0
    shot("02-no-choice")

    choices = bpy.context.scene.selfrect
    choices.reference = wood("wood.png", turned=False)
    choices.target = wood("rough", turned=True)
    image_area.spaces.active.image = choices.target
    yield 1.0
    shot("03-ready")

    yield from hold_a_tool(shader_area)

    yield from click(image_area, *button(image_area, "rectify"))
    yield lambda: main_thread.working() and main_thread.working().job.step > 3
    yield 0.5
    shot("04-running")
    assert bpy.ops.selfrect.rectify.poll()
    yield from click(image_area, *button(image_area, "cancel"))
    yield lambda: main_thread.working() is None
    assert main_thread.latest().job.state.name == "CANCELLED", main_thread.latest().job.state
    assert choices.result is None
    yield 0.5
    shot("05-cancelled")

    use("dies")
    yield from click(image_area, *button(image_area, "rectify"))
    yield lambda: main_thread.latest() and main_thread.latest().problem
    yield 0.5
    shot("06-problem")

    use("real")
    bpy.context.scene.selfrect_settings.steps = 6
    bpy.ops.ed.undo_push(message="choices of the scenario")
    painted = pixels(choices.target)
    yield from click(shader_area, *button(shader_area, "rectify"))
    yield lambda: main_thread.working() and main_thread.working().job.step > 0
    yield 0.5
    shot("07-running-real")
    yield lambda: main_thread.working() is None
    assert main_thread.latest().problem is None, main_thread.latest().problem
    yield 1.0
    choices = bpy.context.scene.selfrect
    result = pixels(choices.result)
    assert result.std() > 0.01
    assert image_area.spaces.active.image == choices.result, "the editor that viewed the target shows the result"
    shot("08-result")

    run(shader_area, bpy.ops.selfrect.apply_to_material, "EXEC_DEFAULT")  # where its button stands depends on what is told above it
    yield 1.0
    assert base_color_image() == bpy.context.scene.selfrect.result, "Apply puts the result into the material"
    shot("09-applied")
    yield from undo_and_redo(painted, result)
    shot("10-undone-and-redone")


def hold_a_tool(area):
    """Take up a node and put it back. In between nothing may be written: the tool's undo step is open.

    A stroke of a brush is the same kind of tool, but Debian's Blender comes without brushes.
    """
    simulate = bpy.context.window_manager.windows[0].event_simulate
    nodes = region(area, "WINDOW")
    place = {"x": nodes.x + 20, "y": nodes.y + 60}
    for kind, value in (("MOUSEMOVE", "NOTHING"), ("MOUSEMOVE", "NOTHING"), ("G", "PRESS"), ("G", "RELEASE")):
        simulate(type=kind, value=value, **place)
        yield 0.2
    assert not editors.may_write(), "a tool is under way"
    for value in ("PRESS", "RELEASE"):
        simulate(type="ESC", value=value, **place)
        yield 0.2
    assert editors.may_write()


def undo_and_redo(painted, result):
    """Two steps back, two forward: apply and result are one step each, and no pixel is lost on the way."""
    operate("undo")
    yield 0.5
    assert bpy.context.scene.selfrect.result, "one undo takes back Apply only"
    assert base_color_image() is None
    operate("undo")
    yield 0.5
    assert bpy.context.scene.selfrect.result is None, "the second takes back the result"
    np.testing.assert_array_equal(pixels(bpy.context.scene.selfrect.target), painted, "and leaves the target as it was painted")
    operate("redo")
    yield 0.5
    assert_result(bpy.context.scene.selfrect.result, result)
    operate("redo")
    yield 0.5
    assert base_color_image() == bpy.context.scene.selfrect.result


stage.play(play())
