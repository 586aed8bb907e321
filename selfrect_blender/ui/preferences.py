# SPDX-License-Identifier: GPL-3.0-or-later
"""Preferences: the engine from nothing to ready, its memory, the models. The tab shows the same state."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, IntProperty, StringProperty

from .. import extension, main_thread, setup
from . import reasons
from .models_panel import draw_models
from .setup_panel import draw_setup
from .text import draw_text
from .translations import say


def _changed(_preferences, _context) -> None:
    setup.redraw()  # the panels tell whether an engine is there


def _moved(_preferences, _context) -> None:
    main_thread.queue().retire()  # the engine reads at its start where models are
    setup.redraw()


class SelfrectPreferences(bpy.types.AddonPreferences):
    """Edit > Preferences > Add-ons > Selfrect."""

    bl_idname = extension.ROOT_PACKAGE

    engine_location: StringProperty(
        name="Use Another Engine",
        description="The folder of a Python environment in which selfrect is installed, or a command such as "
        "“ssh gpu-host selfrect serve”. Empty: the environment variable SELFRECT_ENGINE, else the engine installed above",
        update=_changed,
    )
    engine_folder: StringProperty(
        name="Engine Folder",
        description="Where the engine is installed: a folder with some gigabytes of room. Empty: a folder that all of your "
        "Blenders share",
        subtype="DIR_PATH",
        update=_changed,
    )
    models_folder: StringProperty(
        name="Models Folder",
        description="Where models are kept; may be a network drive, also one that is read only. Empty: the engine's own choice",
        subtype="DIR_PATH",
        update=_moved,
    )
    idle_minutes: IntProperty(
        name="Idle Minutes",
        description="Minutes without work after which the engine is ended, so that its memory is free; 0: never",
        default=15,
        min=0,
        soft_max=240,
    )
    free_for_render: BoolProperty(
        name="Free Memory for Cycles",
        description="End an engine that has nothing to do when a Cycles render begins, so that the render has all memory",
        default=True,
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Engine, memory, models."""
        layout = self.layout
        box = layout.box()
        box.label(text="Engine")
        if setup.custom_location():
            reason = reasons.engine()
            words = reason or say("Used now: {location}", location=setup.engine_location())
            draw_text(context, box, words, icon="ERROR" if reason else "CHECKMARK", alert=bool(reason))
        else:
            draw_setup(box, context, setup.snapshot())
        column = box.column()
        column.use_property_split, column.use_property_decorate = True, False
        if not setup.custom_location() and setup.snapshot().state is not setup.State.PLANNED:  # the plan shows it
            column.prop(self, "engine_folder")
        for name in ("engine_location", "idle_minutes", "free_for_render"):
            column.prop(self, name)
        box.operator("selfrect.engine_free", icon="MEMORY")
        box = layout.box()
        box.label(text="Models")
        draw_models(box, context)


register, unregister = bpy.utils.register_classes_factory((SelfrectPreferences,))
