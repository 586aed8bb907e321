# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as they land, without an engine."""

from __future__ import annotations

import importlib

SCENE = "bl_ext.user_default.selfrect_blender.selfrect_blender.scene"


def new_result(name, flat, width, height, is_data, alpha=False):
    """A result in Blender's own light, or of data, with these numbers: (height · width · 4,) float32, bottom row first."""
    landing, spaces = (importlib.import_module(f"{SCENE}.{module}") for module in ("landing", "color_spaces"))
    light = spaces.scene_linear()
    lands = landing.Landing(spaces.Space("Non-Color", "data") if is_data else light, False, light)
    return landing.land(name, landing.encoded(lands, flat, (width, height), alpha), (width, height), lands)
