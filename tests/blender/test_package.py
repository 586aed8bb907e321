# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip itself: valid to Blender's packer, complete, free of what is for developers, and a good guest in Blender."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import bpy
import pytest
import tomllib

ROOT = Path(__file__).resolve().parents[2]
MODULE = "bl_ext.user_default.selfrect_blender"


@pytest.mark.parametrize("what", ["source", "zip"])
def test_blenders_own_packer_calls_it_valid(what, zip_file, packer):
    command = [sys.executable, str(packer), "validate", str(ROOT if what == "source" else zip_file)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_zip_has_what_an_artist_needs_and_nothing_else(zip_file):
    names = zipfile.ZipFile(zip_file).namelist()
    needed = ["blender_manifest.toml", "__init__.py", "LICENSE", "server/pyproject.toml", "server/src/selfrect/protocol.py"]
    assert [name for name in needed if name not in names] == []
    assert any(name.startswith("server/src/selfrect/models/mini/") and name.endswith(".safetensors") for name in names)
    folders = ("tests/", "out/", "server/recipes/", "build/", ".")
    unwanted = [name for name in names if name.startswith(folders) or "__pycache__" in name or name.endswith((".whl", ".blend"))]
    assert unwanted == []


def test_extension_and_engine_carry_the_same_version():
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text())
    assert f'__version__ = "{manifest["version"]}"' in (ROOT / "server/src/selfrect/__init__.py").read_text()


def test_switching_off_and_on_leaves_nothing_behind(extension):
    def ours():
        return {name for name in dir(bpy.types) if name.lower().startswith("selfrect")} | {
            name for name in ("selfrect", "selfrect_settings") if hasattr(bpy.types.Scene, name)
        }

    before, path = ours(), list(sys.path)
    assert {"SELFRECT_PT_image", "selfrect", "selfrect_settings"} <= before
    bpy.ops.preferences.addon_disable(module=MODULE)
    assert ours() == set()
    bpy.ops.preferences.addon_enable(module=MODULE)
    assert ours() == before
    assert sys.path == path


def test_nothing_is_added_to_blenders_own_modules(extension):
    """What Blender calls policy violations: entries on sys.path, top-level modules."""
    folder = str(Path(sys.modules[MODULE].__file__).parent)
    assert [entry for entry in sys.path if entry.startswith(folder)] == []
    outside = [
        name
        for name, module in sys.modules.items()
        if str(getattr(module, "__file__", None) or "").startswith(folder) and not name.startswith(MODULE)
    ]
    assert outside == []
    assert "torch" not in sys.modules
