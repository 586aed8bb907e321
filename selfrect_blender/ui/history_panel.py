# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""The sub-panel "Results": what was made of the target, newest first. Blender asks for the visible rows only."""

from __future__ import annotations

from datetime import datetime

import bpy

from ..scene import history
from . import engine_settings, places
from .text import draw_text, duration
from .translations import say

_ROWS = 3
_THUMBNAIL = 2.0  # height of a row's picture, in rows of text
_LARGE = 7.0


class SELFRECT_UL_results(bpy.types.UIList):
    """Picture, name, when and how long, favourite."""

    def draw_item(self, context, layout, data, item, icon, active_data, active_property):
        """One row; a name that is double-clicked can be changed."""
        row = layout.row(align=True)
        icon_id = picture_of(item.image)
        if icon_id:
            row.template_icon(icon_id, scale=_THUMBNAIL)
        lines = row.column(align=True)
        if item.image:
            lines.prop(item.image, "name", text="", emboss=False)
        else:
            lines.label(text=say("{name} (deleted)", name=item.name), icon="ERROR", translate=False)
        lines.label(text=_when(item), translate=False)
        row.prop(item, "favourite", text="", icon="SOLO_ON" if item.favourite else "SOLO_OFF", emboss=False)


class _Results:
    """What was made of this target"""

    bl_label = "Results"
    bl_order = places.RESULTS
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """Where this target comes from, the list, and what can be done with the chosen one."""
        layout, target = self.layout, context.scene.selfrect.target
        if target and target.selfrect.origin:
            row = layout.row(align=True)
            row.label(text=say("Goes on from “{name}”", name=target.selfrect.origin.name), icon="LINKED", translate=False)
            row.operator("selfrect.earlier_target", text="", icon="LOOP_BACK")
        reason = no_results(target)
        draw_text(context, layout, reason, icon="INFO")
        if reason:
            return
        layout.template_list("SELFRECT_UL_results", "", target.selfrect, "history", target.selfrect, "active", rows=_ROWS)
        entry = history.active(target)
        if entry:
            _draw_entry(context, layout, entry)
        layout.operator("selfrect.clear_results", icon="TRASH")


def no_results(target: bpy.types.Image | None) -> str:
    """Why there is nothing to list."""
    if target is None:
        return say("No target is chosen.")
    if target.library:
        return say("“{name}” comes from another file and cannot list results; they are kept as images.", name=target.name)
    return "" if target.selfrect.history else say("There is no result yet.")


def picture_of(image: bpy.types.Image | None) -> int:
    """Blender's own icon of an image, made in the background and kept; 0 until there is one. Reads no pixels."""
    return image.preview.icon_id if image and image.preview else 0


def _draw_entry(context: bpy.types.Context, layout: bpy.types.UILayout, entry: history.SelfrectEntry) -> None:
    if picture_of(entry.image):
        layout.template_icon(picture_of(entry.image), scale=_LARGE)
    draw_text(context, layout, summary(entry))
    column = layout.column(align=True)
    column.operator("selfrect.recall_result", icon="LOOP_BACK")
    row = column.row(align=True)
    row.enabled = entry.image is not None  # the row of the list says that it was deleted
    row.operator("selfrect.continue_from_result", icon="FORWARD")
    column.operator("selfrect.delete_result", icon="X")


def _when(entry: history.SelfrectEntry) -> str:
    """Short enough for a row: the time of today, else the day; and how long it took."""
    try:
        made = datetime.fromisoformat(entry.made).astimezone()
        day = made.strftime("%H:%M" if made.date() == datetime.now(made.tzinfo).date() else "%Y-%m-%d")
    except ValueError:
        day = ""
    return " · ".join(part for part in (day, duration(entry.seconds)) if part)


def summary(entry: history.SelfrectEntry) -> str:
    """Model, seed, and those of the engine's own settings that are not as published, in one sentence."""
    choices, own = history.settings_of(entry), history.engine_settings_of(entry)
    parts = [str(choices.get("model", "")), say("seed {number}", number=choices.get("seed", 0))]
    for setting in engine_settings.current():
        value = own.get(setting["name"], setting["default"])
        if value != setting["default"]:
            title = bpy.app.translations.pgettext_iface(setting["title"])
            parts.append(title if value is True else f"{title} {_told(value)}")
    return ", ".join(part for part in parts if part)


def _told(value) -> str:
    """A setting's value as the panel has it."""
    if isinstance(value, list):
        return " ".join(map(_told, value))
    if isinstance(value, str):
        return bpy.app.translations.pgettext_iface(value.capitalize())
    return f"{value:g}" if isinstance(value, float) else str(value)


PANELS = places.sidebar_panels(_Results, "results", parent=True)
register, unregister = bpy.utils.register_classes_factory((SELFRECT_UL_results, *PANELS))
