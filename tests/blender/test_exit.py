# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender must end, and end cleanly, whatever is under way: a timer left pending crashes 4.2 and hangs 4.5."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

SCRIPT = """
import os, sys
import bpy
bpy.ops.extensions.package_install_files(filepath=sys.argv[1], repo="user_default", enable_on_install=False, overwrite=True)
bpy.ops.preferences.addon_enable(module="bl_ext.user_default.selfrect_blender")
from bl_ext.user_default.selfrect_blender.selfrect_blender import main_thread, rectify
bpy.context.preferences.addons["bl_ext.user_default.selfrect_blender"].preferences.engine_location = sys.argv[2]
image = bpy.data.images.new("picture", 64, 64)
work = main_thread.start(rectify.order(bpy.context.scene, image, image))
while work.job.step < 2:
    main_thread._tick()
assert bpy.app.timers.is_registered(main_thread._tick)
print("engine", main_thread.queue()._link.process.pid, flush=True)
if sys.argv[3] == "disable":
    bpy.ops.preferences.addon_disable(module="bl_ext.user_default.selfrect_blender")
    assert not bpy.app.timers.is_registered(main_thread._tick)
"""


@pytest.mark.parametrize("way", ["disable", "just end"])
def test_ends_cleanly_with_work_under_way(zip_file, fake_engine, tmp_path, way):
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(tmp_path)}
    command = [sys.executable, "-c", SCRIPT, str(zip_file), fake_engine("slow"), way]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    pid = int(ended.stdout.split("engine ")[1].split()[0])
    until = time.monotonic() + 5
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < until:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{pid}")
