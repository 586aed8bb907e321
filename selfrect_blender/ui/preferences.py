# SPDX-License-Identifier: GPL-3.0-or-later
"""Preferences: where the engine is."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty

from .. import extension, main_thread
from . import reasons


def _changed(_preferences, _context) -> None:
    main_thread.redraw()  # the panels tell whether an engine is there


class SelfrectPreferences(bpy.types.AddonPreferences):
    """Edit > Preferences > Add-ons > Selfrect."""

    bl_idname = extension.ROOT_PACKAGE

    engine_location: StringProperty(
        name="Engine",
        description="The folder of a Python environment in which selfrect is installed, or a command such as "
        "“ssh gpu-host selfrect serve”. Empty: the environment variable SELFRECT_ENGINE, else this extension's own folder",
        update=_changed,
    )

    def draw(self, _: bpy.types.Context) -> None:
        """The location, and whether something is there."""
        layout = self.layout
        layout.prop(self, "engine_location")
        reason = reasons.engine()
        text = reason or f"Used now: {extension.engine_location()}"
        layout.label(text=text, icon="ERROR" if reason else "CHECKMARK")


register, unregister = bpy.utils.register_classes_factory((SelfrectPreferences,))
