# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scenarios share: areas, clicks, drags, screenshots, pixels, and the player that runs their steps.

Coordinates are those of a window of 1600 × 900 at factory scale, y from the bottom.
"""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path

import bpy
import numpy as np

OUT, *_LOCATIONS = sys.argv[sys.argv.index("--") + 1 :]
LOCATION = dict(word.split("=", 1) for word in _LOCATIONS)
MODULE = "bl_ext.user_default.selfrect_blender"
SIZE = 128
LONGEST = 240  # seconds for one condition; software rendering and a busy machine are slow

from bl_ext.user_default.selfrect_blender.selfrect_blender import main_thread  # noqa: E402


def arrange(*kinds: str) -> tuple[bpy.types.Area, bpy.types.Area]:
    """The large area of the start-up screen becomes two editors with open sidebars, from left to right."""
    window = bpy.context.window
    large = max(window.screen.areas, key=lambda area: area.width * area.height)
    before = set(window.screen.areas)
    with bpy.context.temp_override(window=window, area=large):
        bpy.ops.screen.area_split(direction="VERTICAL", factor=0.5)
    halves = ((set(window.screen.areas) - before).pop(), large)  # the new one stands on the left
    for area, kind in zip(halves, kinds, strict=True):
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


def assert_result(image: bpy.types.Image, wanted: np.ndarray) -> None:
    """The same picture, to less than one of 65,536 levels.

    Undo and loading read a result from its packed file, and so through its colour space. Blender's own curves are that exact: 4.3's to
    the last bits, 5.2's to a hundred-thousandth.
    """
    np.testing.assert_allclose(pixels(image), wanted, rtol=0, atol=1 / 65535)


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
BELOW_TOP = {"rectify": 179, "cancel": 262}


def button(area: bpy.types.Area, name: str) -> tuple[int, int]:
    """A point on a button, in the window's coordinates (y from the bottom)."""
    sidebar = region(area)
    return sidebar.x + sidebar.width * 2 // 3, sidebar.y + sidebar.height - BELOW_TOP[name]


def on_image(area: bpy.types.Area, x: float, y: float) -> tuple[int, int]:
    """Where a pixel of the image that an editor shows stands in the window."""
    space, view = region(area, "WINDOW"), region(area, "WINDOW").view2d
    wanted = np.array([x, y]) / area.spaces.active.image.size
    low, high = np.array(view.region_to_view(0, 0)), np.array(view.region_to_view(space.width, space.height))
    place = (wanted - low) / (high - low) * (space.width, space.height)
    return round(space.x + place[0]), round(space.y + place[1])


def move(x: int, y: int):
    """Twice, for Blender takes the first as coming from anywhere."""
    simulate = bpy.context.window_manager.windows[0].event_simulate
    for dx in (-2, 0):
        simulate(type="MOUSEMOVE", value="NOTHING", x=x + dx, y=y)
        yield 0.1


def press(key: str, x: int, y: int, **held: bool):
    """A key or a button of the mouse, down and up. held: shift, ctrl."""
    for value in ("PRESS", "RELEASE"):
        bpy.context.window_manager.windows[0].event_simulate(type=key, value=value, x=x, y=y, **held)
        yield 0.2


def drag(points: list[tuple[int, int]], halfway: str = ""):
    """With the left button, along points. halfway: a screenshot's name, taken before the button is let go."""
    simulate = bpy.context.window_manager.windows[0].event_simulate
    (x, y), *others = points
    yield from move(x, y)
    simulate(type="LEFTMOUSE", value="PRESS", x=x, y=y)
    yield 0.2
    for x, y in others:
        simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
        yield 0.1
    if halfway:
        yield 0.3
        shot(halfway)
    simulate(type="LEFTMOUSE", value="RELEASE", x=x, y=y)
    yield 0.3


def run(area: bpy.types.Area, operator, call: str = "INVOKE_DEFAULT", **properties):
    """An operator as from a menu of this editor."""
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=area, region=region(area, "WINDOW")):
        return operator(call, True, **properties)


def click(area: bpy.types.Area, x: int, y: int):
    """Move there, press, release, move away, a moment apart."""
    simulate = bpy.context.window_manager.windows[0].event_simulate
    for kind, value in (("MOUSEMOVE", "NOTHING"), ("MOUSEMOVE", "NOTHING"), ("LEFTMOUSE", "PRESS"), ("LEFTMOUSE", "RELEASE")):
        simulate(type=kind, value=value, x=x, y=y)
        yield 0.2
    simulate(type="MOUSEMOVE", value="NOTHING", x=area.x + 20, y=area.y + 20)
    yield 0.2


def operate(name: str, **properties: str) -> None:
    """undo, redo or undo_push."""
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        getattr(bpy.ops.ed, name)(**properties)


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


def play(steps) -> None:
    """Begin, once Blender's window stands. The timer outlives the opening of another file."""
    bpy.context.preferences.view.show_splash = False
    bpy.app.timers.register(Player(steps), first_interval=2.0, persistent=True)
