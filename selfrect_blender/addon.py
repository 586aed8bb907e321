# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the extension, in the order in which Blender gets to know them."""

from __future__ import annotations

from . import explore, main_thread
from .scene import edit_undo, history
from .ui import (
    cli,
    edit_operators,
    edit_properties,
    edit_target,
    engine_settings,
    explore_operators,
    explore_panel,
    operators,
    panels,
    preferences,
    presets,
    properties,
    settings_panel,
    translations,
)

# Properties come before what draws them. main_thread first: it is then the last to go, when no part asks for work any more.
PARTS = (
    main_thread,
    explore,
    translations,
    history,
    edit_undo,
    preferences,
    engine_settings,
    properties,
    edit_properties,
    operators,
    edit_target,
    edit_operators,
    presets,
    panels,  # the root panels come before the sub-panels of others
    settings_panel,
    explore_operators,
    explore_panel,
    cli,
)


def register() -> None:
    """Register every part, or none: a part that fails takes back those before it and raises."""
    done = []
    try:
        for part in PARTS:
            part.register()
            done.append(part)
    except BaseException:
        for part in reversed(done):
            part.unregister()
        raise


def unregister() -> None:
    """Take every part back, last first."""
    for part in reversed(PARTS):
        part.unregister()
