# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel remembers with the scene: images, model, seed, and the sliders. `bpy.context.scene.selfrect`."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from .. import main_thread
from ..host import artist_settings
from . import engine_settings
from .translations import mark

STRUCTURE = mark("How strictly the target's layout is kept: 0 lets shapes drift towards the reference's, 1 holds each where it was put")
DETAIL = mark("How much of the reference comes in: 0 keeps what the target shows, 1 redraws all of it from the reference")
QUALITY = mark("How much time goes into the picture")
MASK = mark("White where the picture may change; black stays as the target is, to the last bit. Empty: everywhere")
REGION = mark("White where in the result this reference counts. Empty: everywhere")
WEIGHT = mark("How much of this reference is used beside the others")
SIZE = mark("Of the result, in pixels; 0: as the target is, or in its proportions")
SEED = mark("Another number draws what is left open differently; the same one repeats it")
QUALITIES = (
    ("DRAFT", "Draft", "Shows quickly where things go; fine detail is left rough"),
    ("STANDARD", "Standard", "As published: a first round for the layout, a second for the detail"),
    ("BEST", "Best", "Follows target and reference most closely; takes twice as long as Standard"),
)
EXPLORE_BY_WORDS = mark("What differs between the variations")
EXPLORE_BY = (
    ("GRID", "Structure × Detail", "Structure from row to row, Detail from column to column, around what is set now"),
    ("SEEDS", "Seeds", "One seed after the other: what is left open is drawn differently each time"),
)
_CUSTOM = (artist_settings.CUSTOM, "Custom", "The steps under Advanced were set by hand")
WITH_MAPS = mark("The material's other maps, as ticked, are rectified together with the reference that is its base colour")
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


def _write_structure(choices: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
    _write(choices, structure=choices.structure)


def _write_detail(choices: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
    _write(choices, detail=choices.detail)


def _write(choices: bpy.types.PropertyGroup, quality: str = artist_settings.CUSTOM, **sliders: float) -> None:
    """Only what differs: steps that follow T (`engine_settings._follow`) are not to be written back as they were."""
    before = engine_settings.values(choices.id_data)
    after = artist_settings.settings_of(before, quality, **sliders)
    engine_settings.write(choices.id_data, {name: value for name, value in after.items() if value != before[name]})


_KEYS = [item[0] for item in (*QUALITIES, _CUSTOM)]


def _get_quality(choices: bpy.types.PropertyGroup) -> int:
    return _KEYS.index(artist_settings.quality_of(engine_settings.values(choices.id_data)))


def _set_quality(choices: bpy.types.PropertyGroup, index: int) -> None:
    _write(choices, _KEYS[index])


def _slider(name: str, description: str, update) -> FloatProperty:
    return FloatProperty(
        name=name, description=description, default=artist_settings.DEFAULT, min=0, max=1, step=5, subtype="FACTOR", update=update
    )


def _image(name: str, description: str) -> PointerProperty:
    return PointerProperty(type=bpy.types.Image, name=name, description=description, poll=_can_be_chosen)


def _weight() -> FloatProperty:
    return FloatProperty(name="Weight", description=WEIGHT, default=1, min=0.01, max=100, soft_max=10)


class SelfrectReference(bpy.types.PropertyGroup):
    """One more reference."""

    image: _image("Image", "A texture that the result should look like, too")
    weight: _weight()
    region: _image("Region", REGION)


class SelfrectScene(bpy.types.PropertyGroup):
    """Choices of the "Rectify" tab."""

    reference: _image("Reference", "The texture that the result should look like")
    target: _image("Target", "The rough edit whose layout the result keeps; transparent parts are filled")
    result: _image("Result", "The last result")
    reference_weight: _weight()
    reference_region: _image("Region", REGION)
    references: CollectionProperty(type=SelfrectReference)
    reference_index: IntProperty(name="Further Reference", description="The one that is looked at")
    mask: _image("Mask", MASK)
    result_width: IntProperty(name="Width", description=SIZE, min=0, max=16384, subtype="PIXEL")
    result_height: IntProperty(name="Height", description=SIZE, min=0, max=16384, subtype="PIXEL")
    with_maps: BoolProperty(name="Maps", description=WITH_MAPS, default=True)
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
    seed: IntProperty(name="Seed", description=SEED, min=0)
    structure: _slider("Structure", STRUCTURE, _write_structure)
    detail: _slider("Detail", DETAIL, _write_detail)
    quality: EnumProperty(
        name="Quality",
        description=QUALITY,
        items=(*QUALITIES, _CUSTOM),
        get=_get_quality,
        set=_set_quality,
    )
    explore_by: EnumProperty(name="Explore", description=EXPLORE_BY_WORDS, items=EXPLORE_BY)
    explore_rows: IntProperty(name="Rows", description="Of variations on the sheet", default=3, min=1, max=8)
    explore_columns: IntProperty(name="Columns", description="Of variations on the sheet", default=3, min=1, max=8)
    steps_before: IntProperty(description="T when the sliders' steps were last worked out", default=50, options={"HIDDEN"})


_register, _unregister = bpy.utils.register_classes_factory((SelfrectReference, SelfrectScene))


def register() -> None:
    """Give each scene its choices."""
    _register()
    bpy.types.Scene.selfrect = PointerProperty(type=SelfrectScene)


def unregister() -> None:
    """Take the property back; values in files stay and are found again."""
    del bpy.types.Scene.selfrect
    _unregister()
