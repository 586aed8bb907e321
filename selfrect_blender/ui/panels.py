# SPDX-License-Identifier: GPL-3.0-or-later
"""The root panel of the tab "Rectify", one for each editor. What belongs to other steps of the work are sub-panels of it."""

from __future__ import annotations

import textwrap

import bpy

from .. import main_thread
from ..host.job import JobState
from . import engine_settings, places, reasons

_PIXELS_PER_LETTER = 6.3  # of Blender's default font; good enough to break lines


class _RectifyPanel:
    """From the reference to the result"""

    bl_label = "Rectify"

    def draw(self, context: bpy.types.Context) -> None:
        """From top to bottom in the order of the work."""
        layout, choices = self.layout, context.scene.selfrect
        _draw_image(layout, choices, "reference", open="image.open")
        _draw_image(layout, choices, "target", open="image.open")
        row = layout.row()
        row.enabled = not reasons.new_target(context)  # the line beneath Rectify tells the same
        row.operator_menu_enum("selfrect.new_target", "mode", text="New Target", icon="ADD")
        layout.prop(choices, "model")
        _draw_settings(context, layout)
        work = main_thread.working()
        if work:
            _draw_progress(layout, work)
        else:
            _draw_button(context, layout, "selfrect.rectify", "SHADERFX", reasons.rectify(context))
            _draw_outcome(context, layout)
        if choices.result:
            layout.separator()
            _draw_image(layout, choices, "result")
            _draw_button(context, layout, "selfrect.apply_to_material", "MATERIAL", reasons.apply(context))


def _draw_image(layout: bpy.types.UILayout, choices: bpy.types.PropertyGroup, name: str, **options: str) -> None:
    """A line to choose an image, and a button that shows it in the editor."""
    layout.label(text=name.capitalize())
    row = layout.row(align=True)
    row.template_ID(choices, name, live_icon=True, **options)
    image = getattr(choices, name)
    if image:
        row.operator("selfrect.show_image", text="", icon="HIDE_OFF").image = image.name


def _draw_settings(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    """Closed at first. Ours, then the engine's own in the order in which it declares them."""
    header, body = layout.panel("selfrect_settings", default_closed=True)
    header.label(text="Settings")
    if body is None:
        return
    for name in ("seed", "device", "dtype"):
        body.prop(context.scene.selfrect, name)
    column = body.column(align=True)
    for setting in engine_settings.current():
        column.prop(context.scene.selfrect_settings, setting["name"])


def _draw_button(context: bpy.types.Context, layout: bpy.types.UILayout, operator: str, icon: str, reason: str) -> None:
    """A large button; where it is not available, the reason stands beneath it."""
    row = layout.row()
    row.scale_y = 1.5
    row.enabled = not reason
    row.operator(operator, icon=icon)
    _draw_text(context, layout, reason, icon="INFO")


def _draw_progress(layout: bpy.types.UILayout, work: main_thread.Work) -> None:
    job = work.job
    if job.cancelling:
        text = "Cancelling…"
    elif job.state is JobState.WAITING:
        text = "Starting the engine…" if main_thread.queue().state in {"off", "starting"} else "Waiting…"
    else:
        text = f"{job.stage} {job.step}/{job.steps}" if job.steps else "Sending…"
    layout.progress(factor=job.fraction, type="BAR", text=text)
    row = layout.row()
    if job.seconds_left is not None and not job.cancelling:
        row.label(text=f"{_duration(job.seconds_left)} left")
    button = row.row()
    button.enabled = not job.cancelling
    button.operator("selfrect.cancel", icon="CANCEL")


def _draw_outcome(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    """What the last rectification came to."""
    work = main_thread.latest()
    if work is None:
        return
    if work.problem:
        box = layout.box()
        _draw_text(context, box, work.problem.sentence, icon="ERROR", alert=True)
        _draw_text(context, box, work.problem.remedy)
        if work.problem.detail:
            box.operator("selfrect.copy_details", icon="COPYDOWN")
    elif work.job.state is JobState.CANCELLED:
        layout.label(text="Cancelled.", icon="CANCEL")
    elif work.job.record:
        layout.label(text=f"Done in {_duration(work.seconds)}.", icon="CHECKMARK")


def _draw_text(
    context: bpy.types.Context, layout: bpy.types.UILayout, text: str, icon: str = "NONE", alert: bool = False
) -> None:
    """Text over as many lines as the sidebar's width asks for."""
    letters = int((context.region.width / context.preferences.system.ui_scale - 60) / _PIXELS_PER_LETTER) if context.region else 40
    column = layout.column(align=True)
    column.alert = alert
    column.scale_y = 0.8
    for index, line in enumerate(textwrap.wrap(text, max(letters, 16))):
        column.label(text=line, icon=icon if index == 0 else "BLANK1" if icon != "NONE" else "NONE")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


SELFRECT_PT_image, SELFRECT_PT_shader, SELFRECT_PT_view3d = PANELS = places.sidebar_panels(_RectifyPanel, "")
register, unregister = bpy.utils.register_classes_factory(PANELS)
