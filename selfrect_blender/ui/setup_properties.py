# SPDX-License-Identifier: GPL-3.0-or-later
"""What panel and preferences share while the engine and models are set up; kept by no file. `window_manager.selfrect_setup`."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, EnumProperty, PointerProperty, StringProperty

from .. import setup
from .translations import say

_items: list[tuple[str, str, str]] = []  # Blender keeps no reference to an enumeration's texts: we have to


def _choices(_group, _context) -> list[tuple[str, str, str]]:
    plan = setup.snapshot().plan
    items = [(choice.name, _title(choice), choice.reason) for choice in plan.choices] if plan else []
    if items and items != _items:
        _items[:] = items
    return _items or [("auto", "Automatic", "What suits this machine")]


def _title(choice) -> str:
    if choice.recommended:
        return say("{title} (recommended)", title=choice.title)
    return choice.title if choice.possible else say("{title} (not found here)", title=choice.title)


def _planned(_group) -> int:
    """The plan is the truth: the menu shows what it says."""
    plan = setup.snapshot().plan
    names = [choice.name for choice in plan.choices] if plan else []
    return names.index(plan.backend) if plan and plan.backend in names else 0


def _plan(group, index: int) -> None:
    plan = setup.snapshot().plan
    if plan and plan.choices[index].name != plan.backend:
        setup.look(plan.choices[index].name, group.source)


class SelfrectSetup(bpy.types.PropertyGroup):
    """What is open in the setup, and what was chosen but not yet done."""

    backend: EnumProperty(
        name="Made for",
        description="Which build of PyTorch is installed: the one for this machine's graphics card, or the processor's",
        items=_choices,
        get=_planned,
        set=_plan,
    )
    source: StringProperty(name="Source", description="The folder with packages that is installed from; empty: the network")
    confirming: StringProperty(name="Confirming", description="What waits for a second press: “uninstall”, or a model's name")
    licence_of: StringProperty(name="Model", description="The model whose licence is being read")
    show_folder: BoolProperty(name="Folder", description="Choose where the engine is installed")


_register, _unregister = bpy.utils.register_classes_factory((SelfrectSetup,))


def register() -> None:
    """Give the window manager its group."""
    _register()
    bpy.types.WindowManager.selfrect_setup = PointerProperty(type=SelfrectSetup, options={"SKIP_SAVE"})


def unregister() -> None:
    """Take it back."""
    del bpy.types.WindowManager.selfrect_setup
    _unregister()
