# SPDX-License-Identifier: GPL-3.0-or-later
"""What is running, what waits behind it, and what the last work came to."""

from __future__ import annotations

import bpy

from .. import main_thread, plan
from ..host.job import Job, JobState
from .text import draw_text, duration, size
from .translations import mark, say

#: the engine's stages as an artist would call them; one that is not here is shown as the engine calls it
STAGES = {
    "load model": mark("Loading the model"),
    "encode": mark("Reading the pictures"),
    "invert reference": mark("Studying the reference"),
    "invert target": mark("Studying the target"),
    "round 1 inversion": mark("Round 1: taking up the layout"),
    "round 1 sampling": mark("Round 1: drawing"),
    "round 2 inversion": mark("Round 2: taking up the layout"),
    "round 2 sampling": mark("Round 2: drawing"),
    "decode": mark("Finishing the picture"),
    "finish": mark("Finishing the picture"),
    "patches": mark("Fitting in pieces of the reference"),
}


def draw(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    """The queue, first come first; with nothing in it, the last outcome."""
    works = main_thread.unfinished()
    if works:
        _draw_running(layout, works[0])
        column = layout.column(align=True)
        for index, work in enumerate(works[1:], 1):
            row = column.row(align=True)
            row.label(text=say("{place}. {title} waits", place=index + 1, title=work.title), icon="SORTTIME", translate=False)
            row.operator("selfrect.cancel", text="", icon="X").index = index
    latest = main_thread.latest()
    if latest and (latest.problem or not works):  # what went well needs no words while the next one runs
        _draw_outcome(context, layout, latest)


def draw_plan(context: bpy.types.Context, layout: bpy.types.UILayout) -> None:
    """What the next one will take, as far as the engine knows."""
    known = plan.answer(context.scene)
    if known is None:
        return
    words = []
    if known.get("seconds") is not None:
        words.append(say("≈ {duration}", duration=duration(known["seconds"])))
    if known.get("peak_memory"):
        words.append(size(known["peak_memory"]))
    if words:
        layout.label(text=", ".join(words), icon="TIME", translate=False)
    for note in known.get("notes") or ():
        draw_text(context, layout, str(note), icon="INFO")


def stage(job: Job) -> str:
    """Where the work stands, in words."""
    if job.cancelling:
        return say("Cancelling…")
    if job.state is JobState.WAITING:
        return say("Starting the engine…") if main_thread.queue().state in {"off", "starting"} else say("Waiting…")
    if not job.steps:
        return say("Sending…")
    words = bpy.app.translations.pgettext_iface(STAGES.get(job.stage, job.stage))
    return words if job.steps == 1 else f"{words} {job.step}/{job.steps}"


def _draw_running(layout: bpy.types.UILayout, work: main_thread.Work) -> None:
    layout.label(text=work.title, icon="RENDER_STILL", translate=False)
    layout.progress(factor=work.fraction, type="BAR", text=stage(work.job), translate=False)
    row = layout.row()
    left = work.seconds_left
    if left is not None and not work.job.cancelling:
        row.label(text=say("{duration} left", duration=duration(left)), translate=False)
    button = row.row()
    button.enabled = not work.job.cancelling  # the bar says so
    button.operator("selfrect.cancel", icon="CANCEL").index = 0


def _draw_outcome(context: bpy.types.Context, layout: bpy.types.UILayout, work: main_thread.Work) -> None:
    """What the last work came to."""
    if work.problem:
        box = layout.box()
        draw_text(context, box, work.problem.sentence, icon="ERROR", alert=True)
        draw_text(context, box, work.problem.remedy)
        if work.problem.detail:
            box.operator("selfrect.copy_details", icon="COPYDOWN")
    elif work.job.state is JobState.CANCELLED:
        layout.label(text="Cancelled.", icon="CANCEL")
    elif work.job.record:
        layout.label(text=say("Done in {duration}.", duration=duration(work.seconds)), icon="CHECKMARK", translate=False)
