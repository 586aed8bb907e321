# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings under a name, in Blender's own preset system: ours are in `selfrect_blender/presets`, the artist's in Blender's user folder."""

from __future__ import annotations

from pathlib import Path

import bpy
from bl_operators.presets import AddPresetBase
from bl_ui.utils import PresetPanel

from . import engine_settings

_FOLDER = str(Path(__file__).resolve().parents[1])  # the one that has `presets` in it


class SELFRECT_PT_presets(PresetPanel, bpy.types.Panel):
    """Choose, keep or remove settings under a name"""

    bl_label = "Rectify Presets"
    preset_subdir = "selfrect"
    preset_operator = "script.execute_preset"
    preset_add_operator = "selfrect.preset_add"

    @staticmethod
    def reset_cb(context: bpy.types.Context, _filepath: str) -> None:
        """Before a preset is read: what it does not name is at its default, whatever was set before."""
        scene = context.scene
        engine_settings.write(scene, {setting["name"]: setting["default"] for setting in engine_settings.current()})
        for name in engine_settings.SLIDERS:
            scene.selfrect.property_unset(name)


class SELFRECT_OT_preset_add(AddPresetBase, bpy.types.Operator):
    """Keep these settings under a name, or remove a name"""

    bl_idname = "selfrect.preset_add"
    bl_label = "Add Rectify Preset"
    preset_menu = "SELFRECT_PT_presets"
    preset_subdir = "selfrect"
    preset_defines = ("choices = bpy.context.scene.selfrect", "settings = bpy.context.scene.selfrect_settings")

    @property
    def preset_values(self) -> list[str]:
        """The sliders, then the engine's own numbers, which have the last word."""
        return ["choices.structure", "choices.detail", *(f"settings.{setting['name']}" for setting in engine_settings.current())]


_register, _unregister = bpy.utils.register_classes_factory((SELFRECT_PT_presets, SELFRECT_OT_preset_add))


def register() -> None:
    """Let Blender find ours."""
    _register()
    bpy.utils.register_preset_path(_FOLDER)


def unregister() -> None:
    """Take them back; the artist's own stay."""
    bpy.utils.unregister_preset_path(_FOLDER)
    _unregister()
