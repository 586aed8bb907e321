# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""The operators that install, test, mend and remove the engine.

In scripts and in background mode they wait for the end, and a failure is a RuntimeError with its sentence:
`bpy.ops.selfrect.engine_install(consent=True)`. In a window they return at once; the panel shows the rest.
"""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, StringProperty

from .. import extension, main_thread, setup
from ..host.engine_source import problems
from ..setup import State
from .operators import tells_problems
from .translations import say

_WAIT = {"name": "Wait", "description": "Return when it is done; always so in background mode", "options": {"SKIP_SAVE"}}


class _Action:
    """An operator that stands for one of `Snapshot.actions`."""

    bl_options = {"REGISTER"}
    action = ""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Where the installer would refuse it, F3 does not offer it."""
        return cls.action in setup.snapshot().actions

    @tells_problems
    def execute(self, context):
        """Start it, and wait for it where somebody waits."""
        context.window_manager.selfrect_setup.confirming = ""
        return _carry_out(self, self.action, getattr(self, "consent", False), getattr(self, "wait", False))


def _carry_out(operator: bpy.types.Operator, action: str, consent: bool, wait: bool) -> set[str]:
    if action in setup.NEED_CONSENT and not consent:
        sentence = say("Nothing is installed without your consent.")
        raise problems.Problem("consent_missing", sentence, say("Press the button beneath the plan, or pass consent=True."))
    if action in setup.CHANGES:
        main_thread.queue().close()  # Windows cannot replace files that are in use
    setup.act(action, consent)
    if wait or bpy.app.background:
        operator.report({"INFO"}, setup.wait().sentence)
    return {"FINISHED"}


class SELFRECT_OT_engine_look(bpy.types.Operator):
    """Find out what this machine has and what would be installed; nothing is downloaded"""

    bl_idname = "selfrect.engine_look"
    bl_label = "Look at This Machine"
    bl_options = {"REGISTER"}

    __annotations__ = {
        "backend": StringProperty(name="Made for", description="cuda, cuda-legacy, rocm, xpu, mps, cpu or auto", default="auto"),
        "wait": BoolProperty(**_WAIT),
    }

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Not while something is being installed."""
        return not setup.snapshot().busy

    @tells_problems
    def execute(self, context):
        """Look, with the source that was chosen."""
        setup.look(self.backend, context.window_manager.selfrect_setup.source)
        if self.wait or bpy.app.background:
            self.report({"INFO"}, setup.wait().sentence)
        return {"FINISHED"}


class SELFRECT_OT_engine_source(bpy.types.Operator):
    """Install from a folder with the packages, without a network"""

    bl_idname = "selfrect.engine_source"
    bl_label = "Install from a Folder…"

    directory: StringProperty(name="Folder", subtype="DIR_PATH", options={"SKIP_SAVE"})
    filter_folder: BoolProperty(default=True, options={"HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Not while something is being installed."""
        return not setup.snapshot().busy

    def invoke(self, context, event):
        """Let the artist choose the folder."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        """Plan anew with this folder; an empty one means the network again."""
        context.window_manager.selfrect_setup.source = self.directory
        setup.look("auto", self.directory)
        return {"FINISHED"}


class SELFRECT_OT_engine_network(bpy.types.Operator):
    """Install from the network after all"""

    bl_idname = "selfrect.engine_network"
    bl_label = "Install from the Network"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Not while something is being installed."""
        return not setup.snapshot().busy

    def execute(self, context):
        """Forget the folder, plan anew."""
        context.window_manager.selfrect_setup.source = ""
        setup.look()
        return {"FINISHED"}


class SELFRECT_OT_engine_install(bpy.types.Operator):
    """Download and install what is told above, then test it. Nothing is installed into Blender itself"""

    bl_idname = "selfrect.engine_install"
    bl_label = "Install the Engine"
    bl_options = {"REGISTER"}

    __annotations__ = {
        "consent": BoolProperty(name="Consent", description="That it is wanted: without it nothing happens", options={"SKIP_SAVE"}),
        "backend": StringProperty(name="Made for", description="cuda, cuda-legacy, rocm, xpu, mps or cpu; empty: as planned, or auto"),
        "source": StringProperty(name="Source", description="A folder with the packages; empty: as planned, or the network"),
        "folder": StringProperty(name="Folder", description="Where to; empty: as in the preferences"),
        "wait": BoolProperty(**_WAIT),
    }

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Not while something is being installed."""
        return not setup.snapshot().busy

    @tells_problems
    def execute(self, context):
        """Plan where there is no plan yet, then install."""
        if self.folder:
            extension.preferences().engine_folder = self.folder
        planned = setup.snapshot()
        if planned.state is not State.PLANNED or self.backend or self.source:
            setup.look(self.backend or "auto", self.source)
            planned = setup.wait()
        if planned.plan and planned.plan.obstacles:
            raise planned.plan.obstacles[0]
        return _carry_out(self, "install", self.consent, self.wait)


#: of whatever fetches something
_CONSENTED = {"consent": BoolProperty(default=False, options={"SKIP_SAVE"}), "wait": BoolProperty(**_WAIT)}


class SELFRECT_OT_engine_resume(_Action, bpy.types.Operator):
    """Go on where the installation was cut off; what was fetched is kept"""

    bl_idname, bl_label, action = "selfrect.engine_resume", "Resume the Installation", "resume"
    __annotations__ = dict(_CONSENTED)


class SELFRECT_OT_engine_retry(_Action, bpy.types.Operator):
    """Try the same installation again; what was fetched is kept"""

    bl_idname, bl_label, action = "selfrect.engine_retry", "Try Again", "retry"
    __annotations__ = dict(_CONSENTED)


class SELFRECT_OT_engine_update(_Action, bpy.types.Operator):
    """Install the engine that belongs to this extension; the present one stays until the new one has passed its test"""

    bl_idname, bl_label, action = "selfrect.engine_update", "Update the Engine", "update"
    __annotations__ = dict(_CONSENTED)


class SELFRECT_OT_engine_repair(_Action, bpy.types.Operator):
    """Install the engine anew; the present one stays until the new one has passed its test. Models are kept"""

    bl_idname, bl_label, action = "selfrect.engine_repair", "Repair the Engine", "repair"
    __annotations__ = dict(_CONSENTED)


class SELFRECT_OT_engine_test(_Action, bpy.types.Operator):
    """Let the engine make a small picture on its device"""

    bl_idname, bl_label, action = "selfrect.engine_test", "Test the Engine", "test"
    __annotations__ = {"wait": BoolProperty(**_WAIT)}


class SELFRECT_OT_engine_cancel(_Action, bpy.types.Operator):
    """Stop the installation; what was fetched is kept, and an engine that was there before stays"""

    bl_idname, bl_label, action = "selfrect.engine_cancel", "Cancel the Installation", "cancel"


class SELFRECT_OT_engine_uninstall(_Action, bpy.types.Operator):
    """Delete the installed engine; pictures and models are kept"""

    bl_idname, bl_label, action = "selfrect.engine_uninstall", "Uninstall the Engine", "uninstall"
    __annotations__ = {"sure": BoolProperty(default=False, options={"SKIP_SAVE", "HIDDEN"}), "wait": BoolProperty(**_WAIT)}

    def invoke(self, context, event):
        """Of an artist it is asked twice, in the panel."""
        if self.sure:
            return self.execute(context)
        context.window_manager.selfrect_setup.confirming = "uninstall"
        setup.redraw()
        return {"FINISHED"}


class SELFRECT_OT_setup_keep(bpy.types.Operator):
    """Delete nothing, accept nothing"""

    bl_idname = "selfrect.setup_keep"
    bl_label = "No"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        """Close the question."""
        context.window_manager.selfrect_setup.confirming = context.window_manager.selfrect_setup.licence_of = ""
        return {"FINISHED"}


class SELFRECT_OT_engine_free(bpy.types.Operator):
    """End the idle engine, so that the memory of graphics card and machine is free; the next Rectify starts it again"""

    bl_idname = "selfrect.engine_free"
    bl_label = "Free Engine Memory"
    bl_options = {"REGISTER"}

    def execute(self, context):
        """End it if it has nothing to do."""
        if main_thread.queue().unfinished:
            self.report({"WARNING"}, say("The engine is working; cancel its work first."))
            return {"CANCELLED"}
        was_there = main_thread.queue().retire()
        self.report({"INFO"}, say("The engine's memory is free.") if was_there else say("The engine is not running."))
        return {"FINISHED"}


class SELFRECT_OT_engine_details(bpy.types.Operator):
    """Copy what happened during the installation, with the end of its log, to the clipboard"""

    bl_idname = "selfrect.engine_details"
    bl_label = "Copy Details"

    def execute(self, context):
        """Sentence, detail, log."""
        context.window_manager.clipboard = setup.details()
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (
        SELFRECT_OT_engine_look,
        SELFRECT_OT_engine_source,
        SELFRECT_OT_engine_network,
        SELFRECT_OT_engine_install,
        SELFRECT_OT_engine_resume,
        SELFRECT_OT_engine_retry,
        SELFRECT_OT_engine_update,
        SELFRECT_OT_engine_repair,
        SELFRECT_OT_engine_test,
        SELFRECT_OT_engine_cancel,
        SELFRECT_OT_engine_uninstall,
        SELFRECT_OT_setup_keep,
        SELFRECT_OT_engine_free,
        SELFRECT_OT_engine_details,
    )
)
