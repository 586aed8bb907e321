# SPDX-License-Identifier: GPL-3.0-or-later
"""The sub-panel "Models": which there are, and what can be done with each. The preferences show the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from .. import extension, models, setup
from ..host.job import Job, JobState
from . import places
from .text import draw_text, duration, size
from .translations import mark, say

#: the engine's stages as an artist would call them; the bytes of a download speak for themselves
_STAGES = {
    "download": "",
    "wait for the server": mark("Waiting for the server"),
    "wait for another download": mark("Another program downloads it"),
    "verify": mark("Verifying"),
    "copy": mark("Copying"),
}


def draw_models(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The list, and beneath it how more come into it."""
    for model in models.entries():
        _draw_model(context, layout, model)
    if not models.entries():
        draw_text(context, layout, say("The list comes from the engine; Refresh starts it."), icon="INFO")
    _draw_job(context, layout, "")
    row = layout.row(align=True)
    row.operator("selfrect.model_import", text="Import…", icon="IMPORT")
    row.operator("selfrect.models_refresh", text="Refresh", icon="FILE_REFRESH")
    _draw_place(layout)


def _draw_model(context: bpy.types.Context, layout: bpy.types.UILayout, model: dict[str, Any]) -> None:
    """One line: choose it, what it is, what can be done with it; beneath it what is asked or under way."""
    name, questions = model["name"], context.window_manager.selfrect_setup
    installed = model.get("installed", True)
    column = layout.column(align=True)
    row = column.row(align=True)
    choose = row.row()
    choose.enabled = installed
    chosen = name == context.scene.selfrect.model
    choose.operator("selfrect.model_use", text="", icon="RADIOBUT_ON" if chosen else "RADIOBUT_OFF", emboss=False).name = name
    row.label(text=_title(model), translate=False)
    if not installed:
        row.operator("selfrect.model_licence", text="", icon="IMPORT").name = name
    if model.get("source") == "downloaded":
        row.operator("selfrect.model_verify", text="", icon="VIEWZOOM").name = name
    if model.get("removable"):
        row.operator("selfrect.model_remove", text="", icon="TRASH").name = name
    if questions.licence_of == name and not installed:
        _draw_licence(context, column.box(), model)
    elif questions.confirming == name:
        _draw_question(context, column.box(), name)
    _draw_job(context, column, name)


def _title(model: dict[str, Any]) -> str:
    title = model.get("title") or Path(model["name"]).name
    if not model.get("installed", True):
        short = title.partition(" (")[0]  # a sidebar has room for no more
        return f"{short} · {_sizes(model)}" if model.get("downloads") else title
    return say("{title} · in {program}", title=title, program=model["tool"]) if model.get("tool") else title


def _sizes(model: dict[str, Any]) -> str:
    """Half precision is half as large; the engine takes what its device wants."""
    *smaller, largest = [size(count) for count in sorted(set(model["downloads"].values()))]
    unit = largest[largest.index(" ") :]
    return "–".join([*(each.removesuffix(unit) for each in smaller), largest])


def _draw_licence(context: bpy.types.Context, box: bpy.types.UILayout, model: dict[str, Any]) -> None:
    draw_text(context, box, say("Licence: {licence}", licence=model.get("licence", "?")), icon="TEXT")
    draw_text(context, box, model.get("licence_summary", ""))
    if model.get("downloads"):
        draw_text(context, box, say("Download: {size}; half precision where the device wants it", size=_sizes(model)), icon="URL")
    if model.get("licence_url"):
        box.operator("wm.url_open", text="Read It", icon="URL").url = model["licence_url"]
    if not setup.online():
        words = say("Blender may not use the network. Allow it in Preferences › System › Network, or import the model from a folder.")
        draw_text(context, box, words, icon="INTERNET_OFFLINE")
    row = box.row()
    row.enabled = setup.online()
    button = row.operator("selfrect.model_download", text="Accept and Download", icon="IMPORT")
    button.name, button.accept_licence = model["name"], True
    box.operator("selfrect.setup_keep", text="Not Now")


def _draw_question(context: bpy.types.Context, box: bpy.types.UILayout, name: str) -> None:
    draw_text(context, box, say("Delete the files of “{name}”?", name=name))
    row = box.row(align=True)
    row.alert = True
    button = row.operator("selfrect.model_remove", text="Delete", icon="TRASH")
    button.name, button.sure = name, True
    row.alert = False
    row.operator("selfrect.setup_keep", text="Keep It")


def _draw_job(context: bpy.types.Context, layout: bpy.types.UILayout, name: str) -> None:
    """What is being done to the model, or what came of it."""
    job = models.job(name)
    if job is None:
        draw_text(context, layout, models.outcome(name), icon="INFO")
    elif not job.finished:
        row = layout.row(align=True)
        row.progress(factor=job.fraction, type="BAR", text=_progress(job), translate=False)
        row.operator("selfrect.model_cancel", text="", icon="X").name = name
    elif job.problem:
        draw_text(context, layout, str(job.problem), icon="ERROR", alert=True)


def _progress(job: Job) -> str:
    if job.cancelling:
        return say("Cancelling…")
    stage = bpy.app.translations.pgettext_iface(_STAGES.get(job.stage, job.stage))
    if job.state is JobState.WAITING or not job.steps:
        return stage or say("Waiting…")
    facts = [stage] if stage else []
    facts += [say("{done} of {total}", done=size(job.step), total=size(job.steps))]
    if job.speed:
        facts.append(say("{size}/s", size=size(job.speed)))
    if job.seconds_left is not None:
        facts.append(say("{duration} left", duration=duration(job.seconds_left)))
    return " · ".join(facts)


def _draw_place(layout: bpy.types.UILayout) -> None:
    """Where they are kept. The engine's word; it may be on another machine."""
    column = layout.column(align=True)
    column.prop(extension.preferences(), "models_folder", text="", placeholder="Another folder for models")
    place = models.place()
    if not place:
        return
    row = column.row(align=True)
    row.label(text=place["folder"], icon="FILE_FOLDER", translate=False)
    if Path(place["folder"]).is_dir():
        row.operator("wm.path_open", text="", icon="FILEBROWSER").filepath = place["folder"]


class _Models:
    """The networks that can redraw a texture"""

    bl_label = "Models"
    bl_order = places.MODELS
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 - Blender's own rule

    def draw(self, context: bpy.types.Context) -> None:
        """The list."""
        draw_models(self.layout, context)


register, unregister = bpy.utils.register_classes_factory(places.sidebar_panels(_Models, "models", parent=True))
