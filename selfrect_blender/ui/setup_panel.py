# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's installation as the artist sees it, in the tab and in the preferences: always what `setup.snapshot` says."""

from __future__ import annotations

import sys

import bpy

from .. import extension, main_thread, setup
from ..setup import Snapshot, State
from . import places, reasons
from .text import draw_text, duration, size
from .translations import mark, say

#: action → operator, words, icon; in the order in which the snapshot names them
_BUTTONS = {
    "install": ("selfrect.engine_install", mark("Install"), "IMPORT"),
    "look": ("selfrect.engine_look", mark("Plan Anew"), "VIEWZOOM"),
    "resume": ("selfrect.engine_resume", mark("Resume"), "PLAY"),
    "retry": ("selfrect.engine_retry", mark("Try Again"), "FILE_REFRESH"),
    "update": ("selfrect.engine_update", mark("Update"), "IMPORT"),
    "repair": ("selfrect.engine_repair", mark("Repair"), "TOOL_SETTINGS"),
    "test": ("selfrect.engine_test", mark("Test"), "CHECKMARK"),
    "cancel": ("selfrect.engine_cancel", mark("Cancel"), "CANCEL"),
    "uninstall": ("selfrect.engine_uninstall", mark("Uninstall"), "TRASH"),
}
_ICONS = {State.READY: "CHECKMARK", State.FAILED: "ERROR", State.BROKEN: "ERROR", State.OUTDATED: "FILE_REFRESH"}


def draw_state(layout: bpy.types.UILayout, context: bpy.types.Context) -> bool:
    """At the top of the tab: what is in the way of working, and the button for it; nothing where all is well.

    Returns whether an engine can be used.
    """
    if setup.custom_location():
        reason = reasons.engine()
        if reason:
            box = layout.box()
            draw_text(context, box, reason, icon="ERROR", alert=True)
            _preferences_button(box)
        return not reason
    seen = setup.snapshot()
    if seen.state is State.READY and not context.window_manager.selfrect_setup.confirming:
        return True
    draw_setup(layout.box(), context, seen)
    return seen.usable


def draw_setup(layout: bpy.types.UILayout, context: bpy.types.Context, seen: Snapshot) -> None:
    """The installation from nothing to ready, in any of its states."""
    if seen.busy:
        setup.watch()
    if seen.state is State.NOT_INSTALLED:
        setup.look_soon()
    if seen.state is State.PLANNED:
        return _draw_plan(context, layout, seen)
    alert = seen.state in (State.FAILED, State.BROKEN)
    draw_text(context, layout, seen.sentence, icon=_ICONS.get(seen.state, "INFO"), alert=alert)
    draw_text(context, layout, seen.remedy)
    if seen.busy:
        _draw_progress(layout, seen)
    elif context.window_manager.selfrect_setup.confirming == "uninstall":
        _draw_question(context, layout, seen)
    else:
        _draw_buttons(context, layout, seen)


def _draw_plan(context: bpy.types.Context, layout: bpy.types.UILayout, seen: Snapshot) -> None:
    """What will happen, all of it, above the button that makes it happen."""
    plan, choices = seen.plan, context.window_manager.selfrect_setup
    there = say("A new engine will take the place of the present one.") if seen.usable else say("The engine is not installed yet.")
    draw_text(context, layout, there, icon="INFO")
    column = layout.column(align=True)
    column.label(text=say("Found: {machine}", machine=_machine(plan)), icon="MEMORY", translate=False)
    column.prop(choices, "backend", text="")
    about = "" if plan.exact else say("about") + " "
    column = layout.column(align=True)
    if plan.needs_network:
        column.label(text=say("Download: {size}", size=about + size(plan.download_bytes)), icon="URL", translate=False)
    else:
        column.label(text=say("From: {folder}", folder=_short(plan.source)), icon="PACKAGE", translate=False)
    room = say("On disk: {size} of {free} free", size=about + size(plan.disk_bytes), free=size(plan.free_bytes))
    column.label(text=room, icon="DISK_DRIVE", translate=False)
    _draw_folder(layout, plan.root)
    for note in plan.notes:
        draw_text(context, layout, note)
    for obstacle in plan.obstacles[:1]:
        draw_text(context, layout, str(obstacle), icon="ERROR", alert=True)
    offline = plan.needs_network and not setup.online()
    row = layout.row()
    row.scale_y = 1.5
    row.enabled = not (offline or plan.obstacles)
    words = say("Download and Install ({size})", size=size(plan.download_bytes)) if plan.needs_network else say("Install")
    button = row.operator("selfrect.engine_install", text=words, icon="IMPORT", translate=False)
    button.consent = True
    if offline:
        _draw_offline(context, layout)
    row = layout.row(align=True)
    row.operator("selfrect.engine_source", icon="FILE_FOLDER")
    if choices.source:
        row.operator("selfrect.engine_network", text="", icon="X")


def _draw_folder(layout: bpy.types.UILayout, root) -> None:
    """Where to; the preference itself, so that it can be changed here."""
    column = layout.column(align=True)
    column.label(text=say("Into: {folder}", folder=_short(root)), icon="FILE_FOLDER", translate=False)
    column.prop(extension.preferences(), "engine_folder", text="", placeholder="Another folder")


def _draw_offline(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    words = say("Blender may not use the network. Allow it in Preferences › System › Network, or install from a folder.")
    draw_text(context, layout, words, icon="INTERNET_OFFLINE")
    layout.operator("extensions.userpref_show_online", text="Show the Preference", icon="PREFERENCES")


def _draw_progress(layout: bpy.types.UILayout, seen: Snapshot) -> None:
    if seen.fraction is not None:
        layout.progress(factor=seen.fraction, type="BAR", text=f"{seen.fraction:.0%}", translate=False)
    facts = []
    if seen.total_bytes:
        facts.append(say("{done} of {total}", done=size(seen.done_bytes), total=size(seen.total_bytes)))
    if seen.speed:
        facts.append(say("{size}/s", size=size(seen.speed)))
    if seen.seconds_left is not None:
        facts.append(say("{duration} left", duration=duration(seen.seconds_left)))
    if facts:
        layout.label(text=" · ".join(facts), translate=False)
    if "cancel" in seen.actions:
        layout.operator("selfrect.engine_cancel", text="Cancel", icon="CANCEL")
    elif not seen.mine:
        layout.label(text="Another Blender is at it.", icon="INFO")


def _draw_question(context: bpy.types.Context, layout: bpy.types.UILayout, seen: Snapshot) -> None:
    draw_text(context, layout, say("Delete the engine in {folder}? Pictures and models are kept.", folder=seen.folder.parent))
    row = layout.row(align=True)
    row.alert = True
    row.operator("selfrect.engine_uninstall", text="Delete", icon="TRASH").sure = True
    row.alert = False
    row.operator("selfrect.setup_keep", text="Keep It")


def _draw_buttons(context: bpy.types.Context, layout: bpy.types.UILayout, seen: Snapshot) -> None:
    """The first action is the one that leads on; an installation needs the network that Blender allows."""
    first, *others = [action for action in seen.actions if action in _BUTTONS] or [""]
    if first:
        row = layout.row()
        row.scale_y = 1.3 if first in setup.NEED_CONSENT and not seen.usable else 1.0
        _draw_action(row, first)
    if others:
        row = layout.row(align=True)
        for action in others:
            _draw_action(row, action)
    if seen.problem:
        layout.operator("selfrect.engine_details", icon="COPYDOWN")
        if seen.problem.code == "offline":
            _draw_offline(context, layout)


def _draw_action(layout: bpy.types.UILayout, action: str) -> None:
    operator, words, icon = _BUTTONS[action]
    button = layout.operator(operator, text=words, icon=icon)
    if action in setup.NEED_CONSENT:
        button.consent = True


def _machine(plan) -> str:
    titles = [gpu.title for gpu in plan.machine.gpus]
    return ", ".join(titles) or say("no graphics card that helps")


def _short(path) -> str:
    """The user's own folder as ~, where the system says it so."""
    text, home = str(path), str(extension.Path.home())
    return "~" + text[len(home) :] if sys.platform != "win32" and text.startswith(home) and len(home) > 1 else text


def _preferences_button(layout: bpy.types.UILayout) -> None:
    layout.operator("preferences.addon_show", text="Open the Preferences", icon="PREFERENCES").module = extension.ROOT_PACKAGE


class _Engine:
    """What runs behind the button Rectify, and what can be done with it"""

    bl_label = "Engine"
    bl_order = places.ENGINE
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - Blender's own rule

    def draw(self, context: bpy.types.Context) -> None:
        """What is used, its state, its memory."""
        layout = self.layout
        if setup.custom_location():
            draw_text(context, layout, say("Used now: {location}", location=setup.custom_location()), icon="LINKED")
        elif setup.snapshot().state is State.READY:
            draw_setup(layout, context, setup.snapshot())
        running = main_thread.queue().state
        row = layout.row()
        row.enabled = running == "ready" and not main_thread.queue().unfinished
        row.operator("selfrect.engine_free", icon="MEMORY")
        _preferences_button(layout)


register, unregister = bpy.utils.register_classes_factory(places.sidebar_panels(_Engine, "engine", parent=True))
