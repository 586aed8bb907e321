# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: RUF012 - bl_options is a set by Blender's own rules
"""The operators: read the context, call, report. Scripts call them with names: `bpy.ops.selfrect.rectify(reference="bark")`.

A Problem becomes a report of type ERROR, which in scripts and in background mode is a RuntimeError with its sentence.
"""

from __future__ import annotations

import functools

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from .. import main_thread
from .. import rectify as job
from ..host import artist_settings
from ..host.engine_source import problems
from ..scene import images, maps, materials, references
from . import engine_settings, properties, reasons
from .translations import say

_CHOICES = ("model", "device", "dtype", "seed")


def tells_problems(execute):
    """An `execute` that may raise Problem: the artist reads it, the operator is cancelled."""

    @functools.wraps(execute)
    def wrapped(self, context):
        try:
            return execute(self, context)
        except problems.Problem as problem:
            self.report({"ERROR"}, str(problem))
            return {"CANCELLED"}

    return wrapped


def image_of(name: str, chosen: bpy.types.Image | None, what: str) -> bpy.types.Image | None:
    """The image that was named, else the chosen one. Raises Problem bad_input."""
    return images.by_name(name, what) if name else chosen


class Ordering:
    """What the operators that order a picture share: arguments that go before the panel's choices."""

    __annotations__ = {
        "reference": StringProperty(name="Reference", description="An image's name; empty: the panel's, else the material's"),
        "target": StringProperty(name="Target", description="An image's name; empty: the panel's"),
        "model": StringProperty(name="Model", description="A name or path; empty: the panel's"),
        "device": StringProperty(name="Device", description="Empty: the panel's"),
        "dtype": StringProperty(name="Precision", description="Empty: the panel's"),
        "seed": IntProperty(name="Seed", description=properties.SEED, min=0),
        "structure": FloatProperty(name="Structure", description=properties.STRUCTURE, min=0, max=1, default=artist_settings.DEFAULT),
        "detail": FloatProperty(name="Detail", description=properties.DETAIL, min=0, max=1, default=artist_settings.DEFAULT),
        "quality": EnumProperty(name="Quality", description=properties.QUALITY, items=properties.QUALITIES, default="STANDARD"),
        "with_maps": BoolProperty(name="With Maps", description=properties.WITH_MAPS, default=True),
        "more_references": StringProperty(
            name="Further References", description="Names, or [name, weight, region], as a JSON list; empty: the panel's"
        ),
        "weight": FloatProperty(name="Weight", description=properties.WEIGHT, min=0.01, max=100, default=1),
        "region": StringProperty(name="Region", description="An image's name; empty: the panel's"),
        "mask": StringProperty(name="Mask", description="An image's name; empty: the panel's"),
        "width": IntProperty(name="Width", description=properties.SIZE, min=0, max=16384),
        "height": IntProperty(name="Height", description=properties.SIZE, min=0, max=16384),
        "maps": StringProperty(name="Maps", description="Instead of the material's: normal=IMAGE, roughness=IMAGE, by names in the file"),
        "wait": BoolProperty(name="Wait", description="Return when the result is there; always so in background mode"),
        **engine_settings.properties(engine_settings.shipped()),
    }

    def order(self, context: bpy.types.Context) -> job.Order:
        """The panel's choices, save what the caller gave as arguments. Raises Problem bad_input."""
        return job.only(self.orders(context))

    def carry_out(self, orders: list[job.Order]) -> set[str]:
        """Send them on their way; in background mode wait for them. What `execute` returns. Raises Problem."""
        if orders[0].left:
            names = ", ".join(orders[0].left)
            self.report({"WARNING"}, say("Not every reference has these maps, so they stay away: {names}.", names=names))
        if not (self.wait or bpy.app.background):
            for order in orders:
                main_thread.start(order)
            return {"FINISHED"}
        for order in orders:
            image, _ = job.make(main_thread.queue(), order)
        self.report({"INFO"}, say("“{name}” is the result.", name=image.name))
        return {"FINISHED"}

    def orders(self, context: bpy.types.Context, heals: bpy.types.Image | None = None) -> list[job.Order]:
        """As `order`, one for each group of UDIM tiles that touch. heals: the image that is reference and target at once."""
        choices, given = context.scene.selfrect, self.properties.is_property_set
        settings = self._with_sliders(choices, engine_settings.values(context.scene))
        settings.update({name: engine_settings.value(self, name) for name in settings if hasattr(self, name) and given(name)})
        reference = heals or image_of(self.reference, reasons.reference(context), "reference")
        return job.orders(
            context.scene,
            reference,
            heals or image_of(self.target, choices.target, "target"),
            further=self._further(context, heals is not None),
            follow=self._follow(context, reference),
            settings=settings,
            **{name: getattr(self if given(name) else choices, name) for name in _CHOICES},
        )

    def _further(self, context: bpy.types.Context, heal: bool) -> references.Further:
        panel, given = references.chosen(context.scene), self.properties.is_property_set
        mask = image_of(self.mask, panel.mask, "mask")
        others = references.listed(self.more_references, images.by_name) if self.more_references else panel.references
        if heal:  # a hole is filled from what is around it, unless it is said otherwise
            return references.Further(others if self.more_references else (), mask=mask, heal=True)
        return references.Further(
            others,
            self.weight if given("weight") else panel.weight,
            image_of(self.region, panel.region, "region"),
            mask,
            (self.width if given("width") else panel.size[0], self.height if given("height") else panel.size[1]),
        )

    def _follow(self, context: bpy.types.Context, reference: bpy.types.Image | None) -> list:
        if self.maps:
            return maps.listed(self.maps, images.by_name)
        wanted = (self if self.properties.is_property_set("with_maps") else context.scene.selfrect).with_maps
        return maps.ticked(materials.maps_under(context, reference)) if wanted else []

    def _with_sliders(self, choices: bpy.types.PropertyGroup, settings: dict) -> dict:
        given = {name: getattr(self, name) for name in engine_settings.SLIDERS if self.properties.is_property_set(name)}
        quality = self.quality if self.properties.is_property_set("quality") else None
        return artist_settings.ordered(settings, engine_settings.positions(choices), given, quality)


class SELFRECT_OT_rectify(Ordering, bpy.types.Operator):
    """Turn the rough target into a coherent texture that looks like the reference"""

    bl_idname = "selfrect.rectify"
    bl_label = "Rectify"
    bl_options = {"REGISTER"}  # the result pushes its own undo step when it lands

    @tells_problems
    def execute(self, context):
        """Order it; in background mode make it."""
        return self.carry_out(self.orders(context))


class SELFRECT_OT_cancel(bpy.types.Operator):
    """Stop this work; what was there before stays"""

    bl_idname = "selfrect.cancel"
    bl_label = "Cancel"

    index: IntProperty(name="Place", description="In the queue; 0 is what is running", min=0, options={"SKIP_SAVE"})
    all: BoolProperty(name="All", description="All that is running and waiting", options={"SKIP_SAVE"})

    def execute(self, context):
        """Ask for it; the panel shows when it has happened."""
        works = main_thread.unfinished()
        chosen = works if self.all else works[self.index : self.index + 1]
        if not chosen:
            self.report({"INFO"}, say("Nothing is running."))
            return {"CANCELLED"}
        for work in reversed(chosen):  # the running one last: else the next would start first
            work.cancel()
        main_thread.redraw()
        return {"FINISHED"}


class SELFRECT_OT_show_image(bpy.types.Operator):
    """Show this image in the image editor"""

    bl_idname = "selfrect.show_image"
    bl_label = "Show"
    bl_options = {"INTERNAL"}

    image: StringProperty(options={"SKIP_SAVE"})

    @tells_problems
    def execute(self, context):
        """Show it here, or in the first image editor of this window."""
        image = images.by_name(self.image, "editor")
        areas = [context.area, *context.screen.areas] if context.area else context.screen.areas
        space = next((area.spaces.active for area in areas if area.type == "IMAGE_EDITOR"), None)
        if space is None:
            raise problems.Problem("bad_input", "No image editor is open.", "Open one and press the button again.")
        space.image = image
        return {"FINISHED"}


class SELFRECT_OT_copy_details(bpy.types.Operator):
    """Copy the whole message, with the engine's last words, to the clipboard"""

    bl_idname = "selfrect.copy_details"
    bl_label = "Copy Details"

    def execute(self, context):
        """Copy the latest problem."""
        work = main_thread.latest()
        if work is None or work.problem is None:
            return {"CANCELLED"}
        context.window_manager.clipboard = f"{work.problem.code}: {work.problem}\n{work.problem.detail}"
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (
        SELFRECT_OT_rectify,
        SELFRECT_OT_cancel,
        SELFRECT_OT_show_image,
        SELFRECT_OT_copy_details,
    )
)
