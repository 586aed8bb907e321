# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel as it was when a result was ordered: its pictures, the ticks of its maps, model and seed. The engine's own settings,
which are properties made of what the engine declares, are set by `ui.engine_settings`."""

from __future__ import annotations

from typing import Any

import bpy

from . import history, materials, references


def recall(entry: history.SelfrectEntry, context: bpy.types.Context) -> tuple[list[str], list[str]]:
    """Set the panel. Returns the names of settings that this version has not, and of images that are gone."""
    choices = dict(history.settings_of(entry))
    choices.pop(history.ENGINE_SETTINGS, None)
    pictures = choices.pop(history.PICTURES, {})
    gone = references.recall(context.scene, pictures)
    if entry.reference:
        context.scene.selfrect.reference = entry.reference
    _tick(context, pictures.get(history.FOLLOWED))
    return _set(context.scene.selfrect, choices), gone


def _tick(context: bpy.types.Context, followed: list[str] | None) -> None:
    """followed: names of images; None: an older version made the result and did not write them down."""
    choices = context.scene.selfrect
    found = materials.maps_under(context, choices.reference) if followed is not None and choices.reference else []
    if found:
        choices.with_maps = bool(followed)
    for each in found if followed else ():  # where none followed, the box in the header is off and the ticks say nothing
        each.image.selfrect.follows = each.image.name in followed


def _set(group: bpy.types.PropertyGroup, values: dict[str, Any]) -> list[str]:
    """Set what there is, return the names of what there is not."""
    left = []
    for name, value in values.items():
        try:
            if name not in group.bl_rna.properties:
                raise AttributeError(name)
            setattr(group, name, value)
        except (AttributeError, TypeError, ValueError):
            left.append(name)
    return left
