# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the extension, in the order in which Blender gets to know them."""

from __future__ import annotations

from . import explore, idle, main_thread, models, plan, setup
from .scene import edit_undo, history, landing, reverts, tile_edits
from .ui import (
    cli,
    compare_gizmo,
    compare_operators,
    compare_panel,
    compare_view,
    edit_brushes,
    edit_operators,
    edit_panel,
    edit_patch,
    edit_properties,
    edit_target,
    edit_warp,
    engine_settings,
    explore_operators,
    explore_panel,
    history_operators,
    history_panel,
    maps_operators,
    maps_panel,
    material_operators,
    material_panel,
    models_operators,
    models_panel,
    operators,
    panels,
    preferences,
    presets,
    properties,
    references_panel,
    region_operators,
    region_panel,
    settings_panel,
    setup_operators,
    setup_panel,
    setup_properties,
    tile_operators,
    translations,
)

# Properties come before what draws them. main_thread first: it is then the last to go, when no part asks for work any more.
PARTS = (
    main_thread,
    setup,
    explore,
    translations,
    history,
    reverts,
    landing,
    edit_undo,
    tile_edits,
    preferences,
    models,
    idle,
    engine_settings,
    properties,
    plan,
    edit_properties,
    operators,
    setup_properties,
    setup_operators,
    models_operators,
    edit_target,
    tile_operators,
    edit_operators,
    edit_patch,
    edit_brushes,
    edit_warp,
    presets,
    panels,  # the root panels come before the sub-panels of others
    edit_panel,
    references_panel,
    region_operators,
    region_panel,
    settings_panel,
    explore_operators,
    explore_panel,
    models_panel,
    setup_panel,
    maps_operators,
    maps_panel,
    history_operators,
    history_panel,
    compare_view,
    compare_operators,
    compare_gizmo,
    compare_panel,
    material_operators,
    material_panel,
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
