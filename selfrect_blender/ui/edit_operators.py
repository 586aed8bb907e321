# SPDX-License-Identifier: GPL-3.0-or-later
"""Stamp, scatter, erase, stroke and warp with everything given: for scripts, and what the tools of the mouse end in.

Places are pixels from the lower left corner of the image. Points are text, as `str([(12, 40), (50.5, 60)])` makes it.
"""

from __future__ import annotations

import re

import bpy
import numpy as np
from bpy.props import BoolProperty, EnumProperty, FloatProperty, FloatVectorProperty, IntProperty, IntVectorProperty, StringProperty

from ..edit.patches import Placement
from ..edit.scattering import Spread
from ..host.engine_source import problems
from ..scene import edits
from . import edit_properties
from .edit_target import Editing
from .operators import image_of, tells_problems
from .translations import say

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def numbers(text: str, group: int) -> np.ndarray:
    """(n, group) float64 of the numbers in a text, whatever stands between them. Raises Problem bad_input."""
    found = [float(word) for word in _NUMBER.findall(text)]
    if not found or len(found) % group:
        sentence = f"Expected groups of {group} numbers, got {len(found)} numbers."
        raise problems.Problem("bad_input", sentence, "Give points as text, such as “[(10, 20), (30, 40)]”.")
    return np.array(found).reshape(-1, group)


class FromSource(Editing):
    """Operators that take something out of an image."""

    __annotations__ = {
        **Editing.__annotations__,
        "source": StringProperty(name="Source", description="An image's name; empty: the panel's reference", options={"SKIP_SAVE"}),
    }

    def the_source(self, context: bpy.types.Context) -> bpy.types.Image:
        """The image to take from. Raises Problem bad_input."""
        return image_of(self.source, context.scene.selfrect.reference, "reference")


class Picking(FromSource):
    """Operators that take a patch out of an image."""

    __annotations__ = {
        **FromSource.__annotations__,
        "box": IntVectorProperty(
            name="Box", description="x and y of two corners, in pixels; all 0: the polygon's", size=4, options={"SKIP_SAVE"}
        ),
        "polygon": StringProperty(name="Polygon", description="Points around the patch, as text", options={"SKIP_SAVE"}),
        "opacity": edit_properties.opacity(),
        "feather": FloatProperty(name="Soft Edge", description="Pixels over which the edge fades", subtype="PIXEL", min=0.0),
        "wrap": BoolProperty(name="Wrap Around", description="What leaves the target on one side comes back on the other"),
    }

    def points(self) -> np.ndarray:
        """The outline, or two corners of a box. Raises Problem bad_input."""
        return numbers(self.polygon, 2) if self.polygon else np.array(self.box).reshape(2, 2)


class SELFRECT_OT_stamp(Picking, bpy.types.Operator):
    """Lay a patch of an image on the target"""

    bl_idname = "selfrect.stamp"
    bl_label = "Stamp Patch"

    __annotations__ = {
        **Picking.__annotations__,
        "location": FloatVectorProperty(name="Location", description="Where the patch's middle goes, in pixels", size=2),
        "angle": FloatProperty(name="Angle", description="Counter-clockwise", subtype="ANGLE"),
        "scale": FloatProperty(name="Size", default=1.0, min=0.001, soft_max=10.0),
        "mirror_x": BoolProperty(name="Mirror X", description="Left and right of the patch change places"),
        "mirror_y": BoolProperty(name="Mirror Y", description="Top and bottom of the patch change places"),
    }

    @tells_problems
    def execute(self, context):
        """Cut, place, write."""
        place = Placement(*self.location, self.angle, self.scale, self.mirror_x, self.mirror_y)
        edits.stamp(self.the_target(context), self.the_source(context), self.points(), place, self.opacity, self.feather, self.wrap)
        return {"FINISHED"}


class SELFRECT_OT_scatter(Picking, bpy.types.Operator):
    """Lay many copies of a patch on the target, turned and sized at random, none on top of another"""

    bl_idname = "selfrect.scatter"
    bl_label = "Scatter Patch"

    __annotations__ = {
        **Picking.__annotations__,
        "count": IntProperty(name="Copies", default=20, min=1, max=10000),
        "seed": IntProperty(name="Seed", description="Same seed, same places", min=0),
        "turn": FloatProperty(
            name="Turn", description="Each copy is turned by up to so much, either way", subtype="ANGLE", default=np.pi, min=0.0
        ),
        "smallest": FloatProperty(name="Smallest", description="Size of the smallest copy", default=0.75, min=0.05, max=20.0),
        "largest": FloatProperty(name="Largest", description="Size of the largest copy", default=1.25, min=0.05, max=20.0),
        "gap": FloatProperty(name="Gap", description="At least so many pixels between copies", subtype="PIXEL", min=0.0),
        "mirror": BoolProperty(name="Mirror Some", description="Half of the copies are mirrored"),
    }

    @tells_problems
    def execute(self, context):
        """Find places, lay them down, say how many."""
        sizes = sorted((self.smallest, self.largest))
        spread = Spread(self.turn, *sizes, self.gap, self.mirror, self.wrap)
        arguments = (self.points(), self.count, self.seed, spread, self.opacity, self.feather)
        placed = edits.scatter(self.the_target(context), self.the_source(context), *arguments)
        self.report({"INFO"}, say("{placed} of {count} copies found a place.", placed=placed, count=self.count))
        return {"FINISHED"}


class SELFRECT_OT_erase(Editing, bpy.types.Operator):
    """Make the target transparent along a path: Rectify fills it anew"""

    bl_idname = "selfrect.erase"
    bl_label = "Erase to Background"

    __annotations__ = {
        **Editing.__annotations__,
        "path": StringProperty(name="Path", description="Points, as text", options={"SKIP_SAVE"}),
        "radius": FloatProperty(name="Brush Radius", subtype="PIXEL", default=32.0, min=0.5),
        "softness": FloatProperty(name="Softness", subtype="FACTOR", default=0.5, min=0.0, max=1.0),
        "strength": edit_properties.opacity("Strength"),
        "wrap": BoolProperty(name="Wrap Around", description="The stroke goes on at the other side"),
    }

    @tells_problems
    def execute(self, context):
        """Erase along the path."""
        edits.erase(self.the_target(context), numbers(self.path, 2), self.radius, self.softness, self.strength, self.wrap)
        return {"FINISHED"}


class SELFRECT_OT_stroke(FromSource, bpy.types.Operator):
    """Draw along a path with a strip of an image, bent as the path bends"""

    bl_idname = "selfrect.stroke"
    bl_label = "Draw Texture Stroke"

    __annotations__ = {
        **FromSource.__annotations__,
        "path": StringProperty(name="Path", description="Points, as text", options={"SKIP_SAVE"}),
        "strip_start": FloatVectorProperty(name="Strip Start", description="In pixels of the source", size=2),
        "strip_end": FloatVectorProperty(name="Strip End", description="In pixels of the source", size=2),
        "strip_width": FloatProperty(name="Strip Width", subtype="PIXEL", default=64.0, min=1.0),
        "width": FloatProperty(name="Stroke Width", description="0: the strip's", subtype="PIXEL", default=0.0, min=0.0),
        "opacity": edit_properties.opacity(),
        "softness": FloatProperty(name="Softness", subtype="FACTOR", default=0.3, min=0.0, max=1.0),
        "ends": EnumProperty(name="Strip", items=edit_properties.ENDS),
        "wrap": BoolProperty(name="Wrap Around", description="The stroke goes on at the other side"),
    }

    @tells_problems
    def execute(self, context):
        """Take the strip, bend it, lay it down."""
        strip = (self.strip_start, self.strip_end, self.strip_width)
        arguments = (numbers(self.path, 2), self.width or self.strip_width, self.opacity, self.softness, self.ends, self.wrap)
        edits.stroke(self.the_target(context), self.the_source(context), strip, *arguments)
        return {"FINISHED"}


class SELFRECT_OT_warp(Editing, bpy.types.Operator):
    """Drag the target by the handles of a grid"""

    bl_idname = "selfrect.warp"
    bl_label = "Warp"

    __annotations__ = {
        **Editing.__annotations__,
        "columns": IntProperty(name="Columns", default=4, min=2, max=64),
        "rows": IntProperty(name="Rows", default=4, min=2, max=64),
        "offsets": StringProperty(
            name="Offsets",
            description="x and y of each handle in pixels as text, from the lower left corner, row by row",
            options={"SKIP_SAVE"},
        ),
        "wrap": BoolProperty(name="Wrap Around", description="What comes in from outside is the target again"),
    }

    @tells_problems
    def execute(self, context):
        """Warp."""
        offsets = numbers(self.offsets, 2)
        if len(offsets) != self.rows * self.columns:
            sentence = f"{self.rows} rows of {self.columns} handles need {self.rows * self.columns} offsets, got {len(offsets)}."
            raise problems.Problem("bad_input", sentence, "Give x and y of every handle, 0 where it stays.")
        edits.warp(self.the_target(context), offsets.reshape(self.rows, self.columns, 2), self.wrap)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (SELFRECT_OT_stamp, SELFRECT_OT_scatter, SELFRECT_OT_erase, SELFRECT_OT_stroke, SELFRECT_OT_warp)
)
