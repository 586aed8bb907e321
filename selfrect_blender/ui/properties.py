# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel remembers with the scene: which images, which model, which seed. `bpy.context.scene.selfrect`."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty, IntProperty, PointerProperty, StringProperty

from .. import main_thread

DTYPES = (
    ("auto", "Automatic", "What suits the device"),
    ("float32", "Full", "32 bits: most exact, most memory"),
    ("bfloat16", "Brain Half", "16 bits with the range of 32"),
    ("float16", "Half", "16 bits"),
)


def _can_be_chosen(_, image: bpy.types.Image) -> bool:
    return image.type not in {"RENDER_RESULT", "COMPOSITING"}


def _models(_group, _context, _typed: str) -> list[tuple[str, str]]:
    """Suggestions, as (name, note); any path may be typed instead."""
    greeting = main_thread.queue().greeting
    if greeting is None:
        return [("mini", "comes with the engine")]
    return [(model["name"], "" if model.get("installed", True) else "not installed") for model in greeting["models"]]


def _devices(_group, _context, _typed: str) -> list[tuple[str, str]]:
    return [("auto", "the fastest there is"), *((device["name"], device.get("title", "")) for device in main_thread.queue().devices)]


def _image(name: str, description: str) -> PointerProperty:
    return PointerProperty(type=bpy.types.Image, name=name, description=description, poll=_can_be_chosen)


class SelfrectScene(bpy.types.PropertyGroup):
    """Choices of the "Rectify" tab."""

    reference: _image("Reference", "The texture that the result should look like")
    target: _image("Target", "The rough edit whose layout the result keeps; transparent parts are filled")
    result: _image("Result", "The last result")
    model: StringProperty(
        name="Model",
        description="A model's name, or the path of a diffusers folder or a .safetensors file where the engine runs",
        default="mini",
        search=_models,
        search_options={"SUGGESTION"},
    )
    device: StringProperty(
        name="Device", description="Where the engine computes", default="auto", search=_devices, search_options={"SUGGESTION"}
    )
    dtype: EnumProperty(name="Precision", description="In which numbers the engine computes", items=DTYPES, default="auto")
    seed: IntProperty(name="Seed", description="Same seed, same picture", default=0, min=0)


_register, _unregister = bpy.utils.register_classes_factory((SelfrectScene,))


def register() -> None:
    """Give each scene its choices."""
    _register()
    bpy.types.Scene.selfrect = PointerProperty(type=SelfrectScene)


def unregister() -> None:
    """Take the property back; values in files stay and are found again."""
    del bpy.types.Scene.selfrect
    _unregister()
