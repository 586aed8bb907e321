# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's parameters as Blender properties, generated from what the engine declares.

Until an engine has greeted, the description that ships with the extension is taken. One that greets with other
parameters (another version, on another machine) has the properties made anew; equal names keep their values.
"""

from __future__ import annotations

import importlib
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty

from .. import main_thread
from ..host.engine_source import problems
from ..host.request import RectifyRequest

_ENGINE = RectifyRequest.engine  # one engine so far
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
    return {setting["name"]: getattr(scene.selfrect_settings, setting["name"]) for setting in _declared}


def properties(declared: list[dict[str, Any]]) -> dict[str, Any]:
    """Annotations for a class of Blender's, one property for each declared parameter."""
    return {setting["name"]: _property(setting) for setting in declared}


def _property(setting: dict[str, Any]) -> Any:
    common = {"name": setting["title"], "description": setting["description"], "default": setting["default"]}
    bounds = {key: setting[bound] for key, bound in (("min", "minimum"), ("max", "maximum")) if setting[bound] is not None}
    if setting["kind"] == "int":
        return IntProperty(**common, **{key: int(bound) for key, bound in bounds.items()})
    if setting["kind"] == "float":
        return FloatProperty(**common, **bounds)
    if setting["kind"] == "bool":
        return BoolProperty(**common)
    return EnumProperty(**common, items=[(choice, choice.capitalize(), "") for choice in setting["choices"]])


def _of_engine(descriptions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    matching = [description.get("settings", ()) for description in descriptions if description["name"] == _ENGINE]
    return [{**setting, "choices": list(setting["choices"])} for setting in matching[0]] if matching else []


def _adopt(greeting: dict[str, Any]) -> None:
    declared = _of_engine(greeting["engines"])
    if declared and declared != _declared:
        _remove()
        _make(declared)


def _make(declared: list[dict[str, Any]]) -> None:
    global _group, _declared
    contents = {"__annotations__": properties(declared), "__doc__": "Generated from the engine's declared parameters."}
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
