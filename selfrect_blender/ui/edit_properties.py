# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tools for the target remember with the scene: `bpy.context.scene.selfrect_edit`."""

from __future__ import annotations

import math

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

SHAPES = (
    ("LASSO", "Lasso", "Draw around the patch", "MOD_CURVE", 0),
    ("BOX", "Box", "Draw a rectangle", "SELECT_SET", 1),
)
ENDS = (
    ("MIRROR", "There and Back", "When the strip is used up it runs back: no seam"),
    ("WRAP", "Repeat", "When the strip is used up it begins again"),
    ("STRETCH", "Stretch", "The strip is stretched over the whole stroke"),
)


def opacity(name: str = "Opacity") -> FloatProperty:
    """A property from 0 to 1."""
    return FloatProperty(name=name, description="How much covers what lies beneath", subtype="FACTOR", default=1.0, min=0.0, max=1.0)


class SelfrectEdit(bpy.types.PropertyGroup):
    """Settings of the tools, as the panel "Edit Target" shows them."""

    shape: EnumProperty(name="Pick With", description="How a patch is picked", items=SHAPES, default="LASSO")
    opacity: opacity()
    feather: FloatProperty(
        name="Soft Edge",
        description="Over how many pixels the patch fades in from its edge",
        subtype="PIXEL",
        default=8.0,
        min=0.0,
        soft_max=200.0,
    )
    wrap: BoolProperty(name="Wrap Around", description="What leaves the target on one side comes back on the other, for textures that tile")
    radius: FloatProperty(
        name="Brush Radius", description="Of the eraser, in pixels of the target", subtype="PIXEL", default=32.0, min=0.5, soft_max=500.0
    )
    width: FloatProperty(
        name="Stroke Width",
        description="Of a texture stroke, in pixels of the target",
        subtype="PIXEL",
        default=64.0,
        min=1.0,
        soft_max=1000.0,
    )
    softness: FloatProperty(
        name="Softness", description="How much of the brush fades towards its edge", subtype="FACTOR", default=0.5, min=0.0, max=1.0
    )
    ends: EnumProperty(name="Strip", description="What comes when the stroke is longer than the strip", items=ENDS)
    count: IntProperty(
        name="Copies",
        description="How many copies of the patch are scattered, if there is room",
        default=20,
        min=1,
        soft_max=200,
        max=10000,
    )
    seed: IntProperty(name="Seed", description="Same seed, same places", default=0, min=0)
    turn: FloatProperty(
        name="Turn", description="Each copy is turned by up to so much, either way", subtype="ANGLE", default=math.pi, min=0.0, max=math.pi
    )
    smallest: FloatProperty(name="Size", description="Of the smallest copy", default=0.75, min=0.05, soft_max=2.0, max=20.0)
    largest: FloatProperty(name="to", description="Size of the largest copy", default=1.25, min=0.05, soft_max=2.0, max=20.0)
    gap: FloatProperty(
        name="Gap", description="At least so many pixels between copies", subtype="PIXEL", default=0.0, min=0.0, soft_max=100.0
    )
    mirror: BoolProperty(name="Mirror Some", description="Half of the copies are mirrored")
    columns: IntProperty(name="Columns", description="Handles of the warp's grid from left to right", default=4, min=2, max=16)
    rows: IntProperty(name="Rows", description="Handles of the warp's grid from bottom to top", default=4, min=2, max=16)


class SelfrectPicked(bpy.types.PropertyGroup):
    """The patch that was picked last. It belongs to the window manager, since an undo of something else shall not forget it."""

    points: StringProperty(description="Points of the patch that was picked last, as text", options={"HIDDEN"})
    image: StringProperty(description="The image that it was picked from", options={"HIDDEN"})


_register, _unregister = bpy.utils.register_classes_factory((SelfrectEdit, SelfrectPicked))


def register() -> None:
    """Give each scene its settings."""
    _register()
    bpy.types.Scene.selfrect_edit = PointerProperty(type=SelfrectEdit)
    bpy.types.WindowManager.selfrect_picked = PointerProperty(type=SelfrectPicked)


def unregister() -> None:
    """Take the property back; values in files stay and are found again."""
    del bpy.types.WindowManager.selfrect_picked
    del bpy.types.Scene.selfrect_edit
    _unregister()
