# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's parameters as Blender properties, generated from what the engine declares.

Until an engine has greeted, the description that ships with the extension is taken. One that greets with other
parameters (another version, on another machine) has the properties made anew; equal names keep their values.
Structure, Detail and Quality (`host.artist_settings`) write into these; they alone are what is sent.
"""

from __future__ import annotations

import importlib
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from .. import main_thread
from ..host import artist_settings
from ..host.engine_source import problems
from ..host.request import RectifyRequest

_ENGINE = RectifyRequest.engine  # one engine so far
SLIDERS = ("structure", "detail")
_group: type | None = None
_declared: list[dict[str, Any]] = []


def shipped() -> list[dict[str, Any]]:
    """The parameters in the description that ships with the extension; reading it needs no PyTorch."""
    registry = importlib.import_module(f"{problems.__package__}.registry")
    return _of_engine([description.as_dict() for description in registry.engines()])


def current() -> list[dict[str, Any]]:
    """The parameters that the panel shows now: {name, kind, default, minimum, maximum, choices, title, description}."""
    return _declared


def values(scene: bpy.types.Scene) -> dict[str, Any]:
    """The scene's values by name, ready for a request."""
    return {setting["name"]: value(scene.selfrect_settings, setting["name"]) for setting in _declared}


def value(group: Any, name: str) -> Any:
    """One parameter as the engine takes it, of whatever holds properties of `properties`. Numbers stand there as text."""
    found = getattr(group, name)
    return numbers(found) if _kind(name) == "numbers" else found


def numbers(text: str) -> list[float] | str:
    """`15, 30 -45` → numbers; text that is none goes to the engine as it is, which says what it expects."""
    try:
        return [float(word) for word in text.replace(",", " ").replace(";", " ").split()]
    except ValueError:
        return text


def write(scene: bpy.types.Scene, settings: dict[str, Any]) -> None:
    """Write values by name. T goes first: the sliders' steps follow it, and may then be overwritten."""
    for name in sorted(settings, key=lambda name: name != "steps"):
        wanted = _text(settings[name]) if _kind(name) == "numbers" else settings[name]
        if getattr(scene.selfrect_settings, name) != wanted:
            setattr(scene.selfrect_settings, name, wanted)


def positions(choices: bpy.types.PropertyGroup) -> dict[str, float]:
    """Where the sliders stand."""
    return {slider: getattr(choices, slider) for slider in SLIDERS}


def recall(scene: bpy.types.Scene, own: dict[str, Any]) -> list[str]:
    """Set all parameters to what a result was made with, those that its engine did not have yet to their defaults.

    Returns the names of what cannot be set here.
    """
    left, wanted = [], {setting["name"]: setting["default"] for setting in _declared if own} | own
    for name in sorted(wanted, key=lambda name: name != "steps"):  # T first, as in `write`
        try:
            write(scene, {name: wanted[name]})
        except (AttributeError, TypeError, ValueError):
            left.append(name)
    settle(scene)
    return left


def settle(scene: bpy.types.Scene) -> None:
    """Move the sliders to where the settings, which were recalled from somewhere, would have come from; else they show as custom."""
    settings = values(scene)
    for slider, present in positions(scene.selfrect).items() if artist_settings.has_sliders(settings) else ():
        place = artist_settings.position_of(settings, slider, present)
        if place is not None and place != present:
            setattr(scene.selfrect, slider, place)  # writes the same steps once more


def properties(declared: list[dict[str, Any]]) -> dict[str, Any]:
    """Annotations for a class of Blender's, one property for each declared parameter."""
    return {setting["name"]: _property(setting) for setting in declared}


def _property(setting: dict[str, Any], **more: Any) -> Any:
    common = {"name": setting["title"], "description": setting["description"], "default": setting["default"], **more}
    bounds = {key: setting[bound] for key, bound in (("min", "minimum"), ("max", "maximum")) if setting[bound] is not None}
    if setting["kind"] == "int":
        return IntProperty(**common, **{key: int(bound) for key, bound in bounds.items()})
    if setting["kind"] == "float":
        return FloatProperty(**common, **bounds)
    if setting["kind"] == "bool":
        return BoolProperty(**common)
    if setting["kind"] == "numbers":
        return StringProperty(**common | {"default": _text(setting["default"])})
    return EnumProperty(**common, items=[(choice, choice.capitalize(), "") for choice in setting["choices"]])


def _kind(name: str) -> str:
    return next((setting["kind"] for setting in _declared if setting["name"] == name), "")


def _text(numbers: Any) -> str:
    return numbers if isinstance(numbers, str) else ", ".join(f"{number:g}" for number in numbers)


def _of_engine(descriptions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    matching = [description.get("settings", ()) for description in descriptions if description["name"] == _ENGINE]
    return [{name: _as_json(entry) for name, entry in setting.items()} for setting in matching[0]] if matching else []


def _as_json(entry: Any) -> Any:
    return list(entry) if isinstance(entry, tuple) else entry


def _adopt(greeting: dict[str, Any]) -> None:
    declared = _of_engine(greeting["engines"])
    if declared and declared != _declared:
        _remove()
        _make(declared)


def _follow(group: bpy.types.PropertyGroup, _context: bpy.types.Context) -> None:
    """T was changed: steps that stood where a slider had put them move along; those set by hand stay."""
    scene = group.id_data
    settings, choices = values(scene), scene.selfrect
    if not artist_settings.has_sliders(settings):
        return
    before = settings | {"steps": choices.steps_before}
    for slider in SLIDERS:
        if artist_settings.is_at(before, slider, getattr(choices, slider)):
            write(scene, artist_settings.steps_of(slider, getattr(choices, slider), settings["steps"]))
    choices.steps_before = settings["steps"]


def _make(declared: list[dict[str, Any]]) -> None:
    global _group, _declared
    annotations = {setting["name"]: _property(setting, update=_follow) for setting in declared if setting["name"] == "steps"}
    contents = {"__annotations__": properties(declared) | annotations, "__doc__": "Generated from the engine's declared parameters."}
    _group, _declared = type("SELFRECT_PG_engine_settings", (bpy.types.PropertyGroup,), contents), declared
    bpy.utils.register_class(_group)
    bpy.types.Scene.selfrect_settings = PointerProperty(type=_group)


def _remove() -> None:
    del bpy.types.Scene.selfrect_settings
    bpy.utils.unregister_class(_group)


def register() -> None:
    """Properties of the shipped description, until an engine says otherwise."""
    _make(shipped())
    main_thread.on_greeting.append(_adopt)


def unregister() -> None:
    """Take the properties back; values in files stay and are found again."""
    main_thread.on_greeting.remove(_adopt)
    _remove()
