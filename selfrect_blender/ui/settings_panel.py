# SPDX-License-Identifier: GPL-3.0-or-later
"""The sub-panel "Settings": presets, two sliders, quality, seed and model; the engine's own numbers under Advanced."""

from __future__ import annotations

import bpy

from ..host import artist_settings
from . import engine_settings, maps_panel, places, references_panel
from .presets import SELFRECT_PT_presets
from .translations import say

#: what an engine may declare that an artist sets often; the rest of what it declares stands under Advanced
OFTEN = ("colour_match",)
_TILES = ("tile_x", "tile_y")  # side by side in one row
_MIXED = ("steps", *artist_settings.CURVES)


class _Settings:
    """How the result is made"""

    bl_label = "Settings"
    bl_order = places.SETTINGS

    def draw_header_preset(self, _: bpy.types.Context) -> None:
        """Blender's own presets, ours among them."""
        SELFRECT_PT_presets.draw_panel_header(self.layout)

    def draw(self, context: bpy.types.Context) -> None:
        """Often used first."""
        layout, scene = self.layout, context.scene
        layout.use_property_decorate = False  # names stand inside the fields: a sidebar is narrow
        declared = engine_settings.current()
        names = [setting["name"] for setting in declared]
        if artist_settings.has_sliders(names):
            values = engine_settings.values(scene)
            column = layout.column(align=True)
            _draw_slider(column, scene.selfrect, values, "structure")
            _draw_slider(column, scene.selfrect, values, "detail")
            layout.prop(scene.selfrect, "quality")
        row = layout.row(align=True)
        for name in (name for name in names if name in _TILES):
            row.prop(scene.selfrect_settings, name, toggle=True)
        for name in (name for name in names if name in OFTEN):
            layout.prop(scene.selfrect_settings, name)
        row = layout.row(align=True)
        row.prop(scene.selfrect, "result_width")
        row.prop(scene.selfrect, "result_height")
        layout.prop(scene.selfrect, "seed")
        layout.prop(scene.selfrect, "model")
        elsewhere = (*_TILES, *OFTEN, *maps_panel.SETTINGS, *references_panel.SETTINGS)
        _draw_advanced(layout, scene, [name for name in names if name not in elsewhere])


def _draw_slider(layout: bpy.types.UILayout, choices: bpy.types.PropertyGroup, values: dict, name: str) -> None:
    """Dimmed and called custom where the steps were set by hand; moving it takes over again."""
    row = layout.row()
    if artist_settings.is_at(values, name, getattr(choices, name)):
        row.prop(choices, name)
    else:
        row.active = False
        title = bpy.app.translations.pgettext_iface(choices.bl_rna.properties[name].name)
        row.prop(choices, name, text=say("{slider} (custom)", slider=title), translate=False)


def _draw_advanced(layout: bpy.types.UILayout, scene: bpy.types.Scene, names: list[str]) -> None:
    """Closed at first: the engine's numbers in the order in which it declares them, and where it computes."""
    header, body = layout.panel("selfrect_advanced", default_closed=True)
    header.label(text="Advanced")
    if body is None:
        return
    column = body.column(align=True)
    for name in names:
        column.prop(scene.selfrect_settings, name)
    column = body.column(align=True)
    column.prop(scene.selfrect, "device")
    column.prop(scene.selfrect, "dtype")


register, unregister = bpy.utils.register_classes_factory(places.sidebar_panels(_Settings, "settings", parent=True))
