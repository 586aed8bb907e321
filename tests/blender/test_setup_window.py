# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's installation in a Blender with a window: its timer, and the end of Blender in the middle of it."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import bpy
import pytest
from setup_stage import draw_state


class Timers:
    """bpy.app.timers, which do not run in background mode."""

    def __init__(self):
        self.registered = {}

    def register(self, function, **options):
        self.registered[function] = options

    def unregister(self, function):
        del self.registered[function]

    def is_registered(self, function):
        return function in self.registered


@pytest.fixture
def window(setup_parts, monkeypatch):
    """setup as in a Blender with a window; its timers."""
    timers = Timers()
    app = SimpleNamespace(timers=timers, background=False, online_access=True)
    monkeypatch.setattr(setup_parts.setup, "bpy", SimpleNamespace(app=app, path=bpy.path, context=bpy.context))
    return timers


def test_the_timer_runs_while_there_is_something_to_see(setup_parts, installer, window):
    installer.show("planned")
    draw_state(setup_parts)
    assert window.registered == {}
    setup_parts.setup.act("install", consent=True)
    assert setup_parts.setup._tick in window.registered
    installer.show("installing")
    assert setup_parts.setup._tick() == pytest.approx(0.1)
    installer.show("ready")
    assert setup_parts.setup._tick() is None


def test_looking_needs_no_button_but_happens_once_and_not_while_drawing(setup_parts, installer, window):
    draw_state(setup_parts)
    assert installer.calls == []
    setup_parts.setup._tick()
    assert installer.calls == [("look", {"backend": "auto", "source": None})]
    window.registered.clear()
    draw_state(setup_parts)
    assert window.registered == {}, "a look that found nothing is not repeated for ever"


def test_switching_off_stops_timer_and_installer(setup_parts, installer, window):
    setup_parts.setup.watch()
    setup_parts.setup._stop()
    assert window.registered == {}
    assert ("close", {}) in installer.calls


EXIT = """
import sys
import bpy
bpy.ops.extensions.package_install_files(filepath=sys.argv[1], repo="user_default", enable_on_install=False, overwrite=True)
bpy.ops.preferences.addon_enable(module="bl_ext.user_default.selfrect_blender")
from bl_ext.user_default.selfrect_blender.selfrect_blender import setup
setup.look()
bpy.app.timers.register(setup._tick, persistent=True)
if sys.argv[2] == "disable":
    bpy.ops.preferences.addon_disable(module="bl_ext.user_default.selfrect_blender")
    assert not bpy.app.timers.is_registered(setup._tick)
print("the end")
"""


@pytest.mark.parametrize("way", ["disable", "just end"])
def test_blender_ends_cleanly_while_the_setup_is_at_work(zip_file, tmp_path, way):
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(tmp_path)}
    command = [sys.executable, "-c", EXIT, str(zip_file), way]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "the end" in ended.stdout
