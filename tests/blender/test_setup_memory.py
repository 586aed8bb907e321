# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory manners: an idle engine is ended by the button, after a while, and before a Cycles render; a working one never."""

from __future__ import annotations

import importlib
import os
import threading
import time
from types import SimpleNamespace

import bpy
import pytest

MODULE = "bl_ext.user_default.selfrect_blender"


@pytest.fixture
def parts(extension, engine):
    """The modules, with an engine that runs and has nothing to do."""
    names = ["idle", "main_thread", "setup"]
    parts = {name: importlib.import_module(f"{MODULE}.selfrect_blender.{name}") for name in names}
    engine("good")
    queue = parts["main_thread"].queue()
    queue.wait(queue.ask("models.list"))
    preferences = bpy.context.preferences.addons[MODULE].preferences
    yield SimpleNamespace(**parts, queue=queue, pid=queue.greeting["pid"], preferences=preferences)
    preferences.property_unset("idle_minutes")
    preferences.property_unset("free_for_render")
    parts["idle"]._idle_since = None


def is_gone(pid: int, seconds: float = 4.0) -> bool:
    until = time.monotonic() + seconds
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < until:
        time.sleep(0.02)
    return not os.path.exists(f"/proc/{pid}")


def test_the_button_ends_an_idle_engine_and_keeps_what_it_told(parts):
    greeting = parts.queue.greeting
    bpy.ops.selfrect.engine_free()
    assert parts.queue.state == "off"
    assert parts.queue.greeting is greeting
    assert is_gone(parts.pid)
    bpy.ops.selfrect.engine_free()  # nothing to do is no mistake
    parts.queue.wait(parts.queue.ask("models.list"))
    assert parts.queue.greeting["pid"] != parts.pid, "the next request starts it again"


def test_the_button_leaves_work_alone(parts, extension, engine, pictures):
    engine("slow")
    work = parts.main_thread.start(extension.rectify.order(bpy.context.scene, pictures.reference, pictures.target))
    while work.job.step < 2:
        parts.main_thread._tick()
        assert not work.finished
    assert bpy.ops.selfrect.engine_free() == {"CANCELLED"}
    assert not work.finished


@pytest.mark.parametrize(("minutes", "ended"), [(0, False), (5, False), (4, True)])
def test_after_a_while_without_work_it_is_ended(parts, minutes, ended):
    parts.preferences.idle_minutes = minutes
    parts.main_thread._tick()
    assert parts.queue.state == "ready"
    parts.idle._idle_since -= 4.5 * 60
    parts.main_thread._tick()
    assert (parts.queue.state == "off") is ended
    assert is_gone(parts.pid, 4.0 if ended else 0.2) is ended


def test_work_begins_the_count_anew(parts):
    parts.preferences.idle_minutes = 1
    parts.main_thread._tick()
    parts.idle._idle_since -= 3600
    parts.queue.ask("plan", {"steps": 20})
    parts.main_thread._tick()
    assert parts.queue.state != "off"
    assert parts.idle._idle_since is None


def render(engine="CYCLES"):
    scene = bpy.data.scenes.new("render")
    scene.render.engine = engine
    if engine == "CYCLES":
        scene.cycles.samples, scene.cycles.use_denoising = 1, False
    scene.render.resolution_x = scene.render.resolution_y = 8
    scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(scene.camera)
    bpy.ops.render.render(scene=scene.name)


def test_a_cycles_render_has_the_memory_for_itself(parts):
    render()
    assert parts.queue.state == "off"
    assert is_gone(parts.pid, 0.1), "before the render, not some time after"


def test_only_where_the_artist_wants_it(parts):
    parts.preferences.free_for_render = False
    render()
    assert parts.queue.state == "ready"


def test_a_render_in_its_own_thread_asks_the_main_thread(parts):
    """Blender with a window renders in a thread; the queue is the main thread's alone."""
    scene = SimpleNamespace(render=SimpleNamespace(engine="CYCLES"))
    rendering = threading.Thread(target=parts.idle._before_render, args=(scene,))
    rendering.start()
    time.sleep(0.05)
    assert parts.queue.state == "ready", "nothing was touched from the render's thread"
    assert rendering.is_alive(), "the render waits"
    parts.main_thread._tick()
    rendering.join(3.0)
    assert not rendering.is_alive()
    assert is_gone(parts.pid, 0.1)


def test_a_render_waits_only_so_long(parts, monkeypatch):
    monkeypatch.setattr(parts.idle, "_RENDER_WAITS", 0.1)
    scene = SimpleNamespace(render=SimpleNamespace(engine="CYCLES"))
    rendering = threading.Thread(target=parts.idle._before_render, args=(scene,))
    rendering.start()
    rendering.join(2.0)
    assert not rendering.is_alive(), "a main thread that is busy elsewhere does not hold the render"
