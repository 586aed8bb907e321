# SPDX-License-Identifier: GPL-3.0-or-later
"""Played like panel.py: an artist's whole way, from opening a texture to finding the result again in the saved file.

    blender … --python artist.py -- OUT slow=LOCATION real=LOCATION
"""

from __future__ import annotations

import sys
from pathlib import Path

import bpy
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

import stage
from bl_ext.user_default.selfrect_blender.selfrect_blender import explore, main_thread
from bl_ext.user_default.selfrect_blender.selfrect_blender.ui import compare_view
from stage import (
    OUT,
    arrange,
    assert_result,
    base_color_image,
    button,
    click,
    drag,
    move,
    on_image,
    open_tab,
    operate,
    pixels,
    press,
    region,
    run,
    shot,
    use,
    wood,
)  # fmt: skip

PIECES = [(34, 92), (44, 36)]  # where the patch is stamped: pixels of the target, left of the sidebar


def choices():
    """The scene's choices; looked up anew each time, for undo and loading replace them."""
    return bpy.context.scene.selfrect


def play():
    """The scenario, one screenshot a step."""
    left, right = arrange("IMAGE_EDITOR", "IMAGE_EDITOR")
    yield 1.0
    yield lambda: open_tab(right)
    left.spaces.active.show_region_ui = False
    yield 1.0
    shot("00-engine-not-installed")
    use("slow")
    yield from open_and_make_a_target(left, right)
    yield from stamp(left, right)
    yield from cancel_one(right)
    yield from rectify(right)
    yield from compare(right)
    yield from apply_and_undo(right)
    yield from explore_variations(right)
    yield from save_and_reload()


def open_and_make_a_target(left, right):
    """A texture from disk; a target of it, empty."""
    path = Path(OUT) / "wood.png"
    drawn = wood("drawn", turned=False)
    drawn.filepath_raw, drawn.file_format = str(path), "PNG"
    drawn.save()
    bpy.data.images.remove(drawn)
    run(left, bpy.ops.image.open, "EXEC_DEFAULT", filepath=str(path))
    yield 0.5
    assert left.spaces.active.image.name == "wood.png"
    choices().reference = left.spaces.active.image
    run(left, bpy.ops.image.view_all, fit_view=True)
    yield 0.5
    shot("01-reference")
    run(right, bpy.ops.selfrect.new_target, "EXEC_DEFAULT", mode="EMPTY")
    run(right, bpy.ops.image.view_all, fit_view=True)
    yield 1.0
    assert right.spaces.active.image == choices().target
    assert pixels(choices().target).reshape(-1, 4)[:, 3].max() == 0, "all of it is background"
    shot("02-empty-target")


def stamp(left, right):
    """A patch, lassoed on the reference, turned and stamped twice onto the target; one undo each."""
    empty = pixels(choices().target)
    run(left, bpy.ops.selfrect.pick_patch)
    yield 0.5
    angles = np.linspace(0, 2 * np.pi, 20)
    yield from drag([on_image(left, 64 + 34 * np.cos(a), 64 + 30 * np.sin(a)) for a in angles], halfway="03-lasso")
    for number, place in enumerate(PIECES):
        x, y = on_image(right, *place)
        yield from move(x, y)
        yield from press("R", x, y)
        yield from move(x + 40, y + 25 * (number + 1))
        yield from press("LEFTMOUSE", x + 40, y + 25 * (number + 1))  # accepts the turn
        yield from press("G", x, y)
        yield from move(x, y)
        if number == 0:
            shot("04-patch-in-hand")
        assert number or (pixels(choices().target) == empty).all(), "the preview writes nothing"
        last = number == len(PIECES) - 1
        yield from press("LEFTMOUSE", x, y, **({} if last else {"shift": True}))
        yield 0.5
    stamped = pixels(choices().target)
    assert (stamped != empty).any()
    shot("05-stamped")
    yield from press("Z", x, y, ctrl=True)
    yield 0.7
    once = pixels(choices().target)
    assert (once != stamped).any(), "one undo takes back the second stamp"
    assert (once != empty).any(), "and leaves the first"
    yield from press("Z", x, y, ctrl=True, shift=True)
    yield 0.7
    np.testing.assert_array_equal(pixels(choices().target), stamped, "redo brings it back")


def cancel_one(right):
    """An engine that takes its time: progress is seen, and Cancel leaves everything as it was."""
    use("slow")
    before = pixels(choices().target)
    yield from click(right, *button(right, "rectify"))
    yield lambda: main_thread.working() and main_thread.working().job.step > 3
    yield 1.0
    shot("06-progress")
    yield from click(right, *button(right, "cancel"))
    yield lambda: main_thread.working() is None
    yield 0.5
    assert main_thread.latest().job.state.name == "CANCELLED"
    assert choices().result is None
    assert right.spaces.active.image == choices().target
    np.testing.assert_array_equal(pixels(choices().target), before)
    shot("07-cancelled")


def rectify(right):
    """The real engine; the editor that showed the target shows the result."""
    use("real")
    bpy.context.scene.selfrect_settings.steps = 8
    operate("undo_push", message="settings of the scenario")
    yield from click(right, *button(right, "rectify"))
    yield lambda: main_thread.working() is not None
    yield lambda: main_thread.working() is None
    yield 1.0
    assert main_thread.latest().problem is None, main_thread.latest().problem
    assert pixels(choices().result).std() > 0.01
    assert right.spaces.active.image == choices().result
    assert len(choices().target.selfrect.history) == 1
    shot("08-result")


def compare(right):
    """The wipe between target and result, dragged to a side."""
    run(right, bpy.ops.selfrect.compare, "EXEC_DEFAULT", mode="WIPE", against="TARGET")
    yield 0.7
    rect, space = compare_view.rect_of(region(right, "WINDOW")), region(right, "WINDOW")
    x, y = round(space.x + (rect.left + rect.right) / 2), space.y + space.height // 2
    yield from drag([(x, y), (x + 10, y), (x + 20, y), (x + 40, y)], halfway="09-compared")
    state = bpy.context.window_manager.selfrect_compare
    assert abs(state.wipe - (rect.width / 2 + 40) / rect.width) < 0.02, state.wipe
    yield from press("ESC", space.x + 10, space.y + 10)
    yield 0.3
    assert state.mode == "OFF"


def apply_and_undo(right):
    """Into the material and back, one step each."""
    result, made = choices().result.name, pixels(choices().result)
    run(right, bpy.ops.selfrect.apply_to_material, "EXEC_DEFAULT")
    yield 1.0
    assert base_color_image().name == result
    shot("10-applied")
    operate("undo")
    yield 0.7
    assert base_color_image() is None
    operate("undo")
    yield 0.7
    assert choices().result is None, "the second undo takes back the result"
    for _ in range(2):
        operate("redo")
        yield 0.7
    assert base_color_image().name == result
    assert_result(choices().result, made)
    shot("11-undone-and-redone")


def explore_variations(right):
    """A sheet of variations; a click keeps one."""
    run(right, bpy.ops.selfrect.show_image, "EXEC_DEFAULT", image=choices().target.name)
    run(right, bpy.ops.selfrect.explore, "EXEC_DEFAULT", rows=2, columns=2)
    yield lambda: explore.latest() and explore.latest().finished
    yield 1.0
    shot("12-variations")
    sheet, space = explore.latest().sheet, region(right, "WINDOW")
    x, y = sheet.corner(1, 0)
    width, height = sheet.size
    at = space.view2d.view_to_region((x + 20) / width, (y + 20) / height)
    yield from click(right, space.x + at[0], space.y + at[1])
    yield 1.0
    assert len(choices().target.selfrect.history) == 2
    shot("13-kept")


def save_and_reload():
    """The history is in the file, its pictures with it."""
    before = [entry.image.name for entry in choices().target.selfrect.history]
    kept = {name: pixels(bpy.data.images[name]) for name in before}
    path = str(Path(OUT) / "artist.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    yield 2.0
    history = choices().target.selfrect.history
    assert [entry.image.name for entry in history] == before
    for name, picture in kept.items():
        assert_result(bpy.data.images[name], picture)
    shot("14-reloaded")


stage.play(play())
