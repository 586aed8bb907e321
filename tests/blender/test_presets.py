# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings under a name: ours are found by Blender, read without a mistake, and the artist can add and remove own ones."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest

OURS = ("Published", "Directional", "Cellular", "Organic", "Drawn")


def read(name):
    path = bpy.utils.preset_find(name, "selfrect")
    assert path, f"Blender finds no preset {name}"
    assert bpy.ops.script.execute_preset(filepath=path, menu_idname="SELFRECT_PT_presets") == {"FINISHED"}


def state():
    scene = bpy.context.scene
    names = [name for name in scene.selfrect_settings.bl_rna.properties.keys() if name not in ("rna_type", "name")]  # noqa: SIM118
    settings = {name: getattr(scene.selfrect_settings, name) for name in names}
    return settings | {name: round(getattr(scene.selfrect, name), 4) for name in ("structure", "detail")}


def test_ours_are_found(extension):
    found = {path.stem for folder in bpy.utils.preset_paths("selfrect") for path in Path(folder).glob("*.py")}
    assert set(OURS) <= found


def test_published_is_the_default_and_each_of_ours_differs(extension):
    default = state()
    seen = []
    for name in OURS:
        bpy.context.scene.selfrect_settings.last_up_levels = 4  # something that no preset of ours sets
        read(name)
        assert state()["last_up_levels"] == default["last_up_levels"]
        seen.append(state())
    assert seen[0] == default
    assert len({str(one) for one in seen}) == len(OURS)


def test_own_ones_are_added_read_and_removed(extension):
    scene = bpy.context.scene
    scene.selfrect.quality = "DRAFT"
    scene.selfrect.structure, scene.selfrect_settings.s1 = 0.8, 1
    kept = state()
    assert bpy.ops.selfrect.preset_add(name="My bark") == {"FINISHED"}
    read("Published")
    assert state() != kept
    read("My_bark")
    assert state() == kept
    assert bpy.ops.selfrect.preset_add(name="My_bark", remove_name=True) == {"FINISHED"}
    assert bpy.utils.preset_find("My_bark", "selfrect") is None


def test_ours_cannot_be_removed_by_mistake(extension, capsys):
    try:
        bpy.ops.selfrect.preset_add(name="Drawn", remove_name=True)
    except RuntimeError as error:
        assert "default" in str(error)  # noqa: PT017 - some versions report, some raise
    assert bpy.utils.preset_find("Drawn", "selfrect")


@pytest.mark.parametrize("panel", ["image", "shader", "view3d"])
def test_the_menu_stands_in_the_settings_header(extension, panel):
    assert hasattr(getattr(bpy.types, f"SELFRECT_PT_settings_{panel}"), "draw_header_preset")
