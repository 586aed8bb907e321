# SPDX-License-Identifier: GPL-3.0-or-later
"""Played inside a Blender with a window by `run`: what an artist does at the panel, with clicks, and screenshots of it.

    blender … --python scenario.py -- OUT slow=LOCATION dies=LOCATION real=LOCATION

Each step of `play` yields seconds to wait, or a condition to wait for. Whatever fails ends Blender with an exit code
other than 0; OUT/scenario.done says that the end was reached.
"""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path

import bpy
import numpy as np

OUT, *LOCATIONS = sys.argv[sys.argv.index("--") + 1 :]
LOCATION = dict(word.split("=", 1) for word in LOCATIONS)
MODULE = "bl_ext.user_default.selfrect_blender"
SIZE = 128
LONGEST = 120  # seconds for one condition; software rendering and a busy machine are slow

from bl_ext.user_default.selfrect_blender.selfrect_blender import main_thread  # noqa: E402
from bl_ext.user_default.selfrect_blender.selfrect_blender.scene import editors  # noqa: E402


def play():
    """The scenario. Buttons are clicked where they are in a window of 1280 × 800 at factory scale."""
    image_area, shader_area = arrange()
    yield 1.0
    for area in (image_area, shader_area):
        yield lambda area=area: open_tab(area)
    yield 1.0
    shot("01-no-choice")

    choices = bpy.context.scene.selfrect
    choices.reference = wood("wood.png", turned=False)
    choices.target = wood("rough", turned=True)
    image_area.spaces.active.image = choices.target
    yield 1.0
    shot("02-ready")

    yield from click(image_area, *button(image_area, "settings"))
    yield 0.5
    shot("03-settings")
    yield from click(image_area, *button(image_area, "settings"))
    yield from hold_a_tool(shader_area)

    use("slow")
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
    yield lambda: main_thread.latest().problem
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

    yield from click(shader_area, *button(shader_area, "apply"))
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
    np.testing.assert_array_equal(pixels(bpy.context.scene.selfrect.result), result)
    operate("redo")
    yield 0.5
    assert base_color_image() == bpy.context.scene.selfrect.result


def arrange() -> tuple[bpy.types.Area, bpy.types.Area]:
    """The large area of the start-up screen becomes an Image Editor and a Shader Editor with open sidebars."""
    window = bpy.context.window
    large = max(window.screen.areas, key=lambda area: area.width * area.height)
    before = set(window.screen.areas)
    with bpy.context.temp_override(window=window, area=large):
        bpy.ops.screen.area_split(direction="VERTICAL", factor=0.5)
    halves = (large, (set(window.screen.areas) - before).pop())
    for area, kind in zip(halves, ("IMAGE_EDITOR", "ShaderNodeTree"), strict=True):
        area.ui_type = kind
        area.spaces.active.show_region_ui = True
    return halves


def open_tab(area: bpy.types.Area) -> bool:
    """Whether the sidebar shows our tab; asks for it. A sidebar that was never drawn has no tabs yet."""
    if region(area).active_panel_category != "Rectify":
        region(area).active_panel_category = "Rectify"
        area.tag_redraw()
        return False
    return True


def wood(name: str, turned: bool) -> bpy.types.Image:
    """Bent stripes; turned: two of its parts changed places and a hole was left."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    stripes = 0.5 + 0.5 * np.sin(40 * x + 6 * np.sin(5 * y))
    picture = np.ones((SIZE, SIZE, 4), np.float32)
    picture[..., :3] = np.array([0.25, 0.13, 0.06]) + stripes[..., None] * np.array([0.5, 0.35, 0.2])
    if turned:
        half = SIZE // 2
        picture[:half, :half] = np.rot90(picture[half:, half:])
        picture[half + 8 : -8, half + 8 : -8, 3] = 0
    image = bpy.data.images.new(name, SIZE, SIZE, alpha=True)
    image.pixels.foreach_set(picture.ravel())
    image.update()
    return image


def pixels(image: bpy.types.Image) -> np.ndarray:
    flat = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(flat)
    return flat


def base_color_image() -> bpy.types.Image | None:
    material = bpy.context.view_layer.objects.active.active_material
    links = material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].links
    return links[0].from_node.image if links else None


def use(mode: str) -> None:
    main_thread.queue().close()
    bpy.context.preferences.addons[MODULE].preferences.engine_location = LOCATION[mode]


def region(area: bpy.types.Area, kind: str = "UI") -> bpy.types.Region:
    return next(region for region in area.regions if region.type == kind)


#: how far below the top of the sidebar a button's middle is, in pixels
BELOW_TOP = {"settings": 201, "rectify": 232, "cancel": 260, "apply": 366}


def button(area: bpy.types.Area, name: str) -> tuple[int, int]:
    """A point on a button, in the window's coordinates (y from the bottom)."""
    sidebar = region(area)
    return sidebar.x + sidebar.width * 2 // 3, sidebar.y + sidebar.height - BELOW_TOP[name]


def click(area: bpy.types.Area, x: int, y: int):
    """Move there, press, release, move away, a moment apart."""
    simulate = bpy.context.window_manager.windows[0].event_simulate
    for kind, value in (("MOUSEMOVE", "NOTHING"), ("MOUSEMOVE", "NOTHING"), ("LEFTMOUSE", "PRESS"), ("LEFTMOUSE", "RELEASE")):
        simulate(type=kind, value=value, x=x, y=y)
        yield 0.2
    simulate(type="MOUSEMOVE", value="NOTHING", x=area.x + 20, y=area.y + 20)
    yield 0.2


def operate(name: str) -> None:
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        getattr(bpy.ops.ed, name)()


def shot(name: str) -> None:
    """Blender's own screenshot is black without a graphics card: the X server's root window it is."""
    subprocess.run(["import", "-window", "root", str(Path(OUT) / f"{name}.png")], check=True)
    print("shot", name, flush=True)


class Player:
    """Runs a scenario from a timer, so that Blender lives between the steps."""

    def __init__(self, steps):
        self.steps, self.condition, self.waited = steps, None, 0.0

    def __call__(self) -> float:
        try:
            if self.condition and not self.condition():
                self.waited += 0.1
                assert self.waited < LONGEST, f"waited {LONGEST} s in vain"
                return 0.1
            wanted = next(self.steps)
        except StopIteration:
            (Path(OUT) / "scenario.done").write_text("")
            return self.end(0)
        except BaseException:  # noqa: BLE001 - told, and Blender ends with it
            traceback.print_exc()
            shot("failed")
            return self.end(1)
        self.condition, self.waited = (wanted, 0.0) if callable(wanted) else (None, 0.0)
        return 0.1 if callable(wanted) else wanted

    def end(self, code: int):
        sys.stdout.flush()
        sys.stderr.flush()
        if code:
            os._exit(code)
        bpy.ops.wm.quit_blender()


bpy.context.preferences.view.show_splash = False
bpy.app.timers.register(Player(play()), first_interval=2.0)
