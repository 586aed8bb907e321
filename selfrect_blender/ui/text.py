# SPDX-License-Identifier: GPL-3.0-or-later
"""Text in panels: sentences over as many lines as the sidebar's width asks for, and durations."""

from __future__ import annotations

import textwrap

import bpy

from .translations import say

_PIXELS_PER_LETTER = 6.3  # of Blender's default font; good enough to break lines


def draw_text(
    context: bpy.types.Context, layout: bpy.types.UILayout, text: str, icon: str = "NONE", alert: bool = False
) -> None:
    """A sentence that is in the artist's language already."""
    if not text:
        return
    letters = int((context.region.width / context.preferences.system.ui_scale - 60) / _PIXELS_PER_LETTER) if context.region else 40
    column = layout.column(align=True)
    column.alert = alert
    column.scale_y = 0.8
    for index, line in enumerate(textwrap.wrap(text, max(letters, 16))):
        column.label(text=line, icon=icon if index == 0 else "BLANK1" if icon != "NONE" else "NONE", translate=False)


def duration(seconds: float) -> str:
    """As one says it: "8 s", "3 min", "2 h"."""
    if seconds < 90:
        return say("{count} s", count=round(seconds))
    if seconds < 5400:
        return say("{count} min", count=round(seconds / 60))
    return say("{count} h", count=round(seconds / 3600))


def size(count: float) -> str:
    """Of files, as file managers tell it: "640 kB", "27 MB", "2.6 GB"."""
    for unit, length in (("GB", 1e9), ("MB", 1e6)):
        if count >= length:
            return f"{count / length:.1f} {unit}" if count < 10 * length else f"{count / length:.0f} {unit}"
    return f"{count / 1e3:.0f} kB"
