# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed extension installs an engine: the real Installer, pip and uv, on a package index of our own with tiny packages.

The small world is that of tests/host/install_world.py; here it is played through Blender's operators.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import bpy
import install_world as world
import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = "bl_ext.user_default.selfrect_blender"
UV = ROOT / ".venv/bin/uv"

pytestmark = pytest.mark.skipif(not (sys.platform.startswith("linux") and UV.exists()), reason="needs Linux and the uv of .venv")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The wheels, made once: uv's own is 38 MB."""
    return world.make_shop(tmp_path_factory.mktemp("shop"), UV)


@pytest.fixture
def base(tmp_path, shop):
    """tmp_path with index/, wheels/ and server/ in it."""
    return world.furnish(tmp_path, shop)


@pytest.fixture
def parts(extension, base, monkeypatch):
    """The installed extension in that world, allowed to go online."""
    for name in ("", ".host", ".host.install"):  # where install_world looks for what it settles
        monkeypatch.setitem(sys.modules, f"selfrect_blender{name}", importlib.import_module(f"{MODULE}.selfrect_blender{name}"))
    index = world.Index(base / "index")
    world.settle(monkeypatch, base, index)
    monkeypatch.setattr(importlib.import_module(f"{MODULE}.selfrect_blender.host.install.fetch"), "WAIT_SECONDS", 0.01)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # uv looks at every Python on it
    setup = importlib.import_module(f"{MODULE}.selfrect_blender.setup")
    monkeypatch.setattr(setup, "online", lambda: True)
    preferences = bpy.context.preferences.addons[MODULE].preferences
    preferences.engine_folder = str(base / "an engine ünusual")
    yield SimpleNamespace(setup=setup, index=index, base=base, preferences=preferences, problems=extension.problems)
    setup._stop()
    preferences.engine_folder = ""
    index.close()
    world.forget()


def test_one_call_and_there_is_an_engine_then_none(parts):
    setup = parts.setup
    assert setup.engine_location() == ""
    bpy.ops.selfrect.engine_install(consent=True)
    seen = setup.snapshot()
    assert (seen.state, seen.usable) == (setup.State.READY, True), seen
    environment = Path(setup.engine_location())
    assert (environment / "bin/selfrect").is_file()
    assert environment.is_relative_to(parts.base / "an engine ünusual")

    setup._stop()  # another Blender, or this one tomorrow
    assert setup.snapshot().state is setup.State.READY

    bpy.ops.selfrect.engine_uninstall()
    assert setup.snapshot().state is setup.State.NOT_INSTALLED
    assert not environment.parent.exists() or list(environment.parent.iterdir()) == []
    assert setup.engine_location() == ""


def test_a_failure_is_told_and_the_next_try_goes_on(parts):
    parts.index.faults.on, parts.index.faults.status = "torch", 500
    with pytest.raises(RuntimeError, match="500"):
        bpy.ops.selfrect.engine_install(consent=True)
    assert parts.setup.snapshot().state is parts.setup.State.FAILED
    assert "500" in parts.setup.details()
    assert parts.setup.engine_location() == ""
    parts.index.faults.status = 0
    bpy.ops.selfrect.engine_retry(consent=True)
    assert parts.setup.snapshot().state is parts.setup.State.READY


def test_without_blenders_leave_nothing_is_asked_of_the_network(parts, monkeypatch):
    monkeypatch.setattr(parts.setup, "online", lambda: False)
    with pytest.raises(RuntimeError, match="Network"):
        bpy.ops.selfrect.engine_install(consent=True)
    assert parts.index.asked == []
    assert not (parts.base / "an engine ünusual").exists()


def test_a_folder_without_packages_is_told(parts, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RuntimeError, match="no wheels in"):
        bpy.ops.selfrect.engine_install(consent=True, source=str(tmp_path / "empty"))
