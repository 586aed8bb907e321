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


MEGABYTE = 2**20
MINI = "server/src/selfrect/models/mini/"


@pytest.fixture(scope="module")
def entries(zip_file) -> dict[str, zipfile.ZipInfo]:
    """What the zip holds, by name; no folders."""
    return {entry.filename: entry for entry in zipfile.ZipFile(zip_file).infolist() if not entry.is_dir()}


def test_zip_has_what_an_artist_needs(entries):
    needed = ["blender_manifest.toml", "__init__.py", "LICENSE", "server/src/selfrect/protocol.py"]
    assert [name for name in needed if name not in entries] == []
    assert any(name.startswith(MINI) and name.endswith(".safetensors") for name in entries)


def test_zip_has_what_the_engine_is_installed_from(entries):
    lists = {path.name for path in (ROOT / "wheels").glob("*.txt") if not path.name.startswith(("bpy-", "tests"))}
    needed = ["server/pyproject.toml", "server/README.md", "wheels/backends.toml", *(f"wheels/{name}" for name in lists)]
    assert len(lists) >= 5
    assert [name for name in needed if name not in entries] == []
    code = {str(path.relative_to(ROOT)) for path in (ROOT / "server/src/selfrect").rglob("*") if path.suffix in {".py", ".toml", ".json"}}
    assert code - entries.keys() == set(), "the engine in the zip is the whole engine"


def test_zip_has_nothing_else(entries):
    assert {name.partition("/")[0] for name in entries} <= {
        "__init__.py", "blender_manifest.toml", "LICENSE", "README.md", "selfrect_blender", "server", "wheels",
    }  # fmt: skip
    kinds = {Path(name).suffix for name in entries if not name.startswith(MINI)}
    assert kinds <= {"", ".py", ".toml", ".md", ".txt", ".po", ".json"}, "no wheels, binaries, archives, caches or pictures"
    unwanted = [name for name in entries if "__pycache__" in name or "/." in name or name.startswith(("server/recipes/", "wheels/bpy-"))]
    assert unwanted == []


def test_zip_is_small_but_for_the_embedded_model(entries):
    packed = sum(entry.compress_size for name, entry in entries.items() if not name.startswith(MINI))
    assert packed < MEGABYTE
    assert max(entry.file_size for name, entry in entries.items() if not name.startswith(MINI)) < MEGABYTE


def test_nothing_is_installed_into_blenders_own_python(entries):
    """No wheels in the manifest: one made for Python 3.11 would lock out Blender 5.2, and all extensions share one place for them."""
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text())
    assert "wheels" not in manifest
    assert manifest["blender_version_min"] == "4.2.0"
    assert "blender_version_max" not in manifest
    assert manifest["permissions"]["network"], "the engine and models are downloaded when the artist asks for it"


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
