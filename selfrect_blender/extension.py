# SPDX-License-Identifier: GPL-3.0-or-later
"""Who we are to Blender: the root package's name, the folder that is ours, the preferences, the engine's location."""

from __future__ import annotations

import os
from pathlib import Path

import bpy

#: "bl_ext.<repository>.selfrect_blender": the name that add-on preferences and user folders go by.
ROOT_PACKAGE = __package__.rpartition(".")[0]


def user_folder(create: bool = False) -> Path:
    """The folder that Blender gives this extension for its own files; it survives updates of the extension."""
    return Path(bpy.utils.extension_path_user(ROOT_PACKAGE, create=create))


def preferences() -> bpy.types.AddonPreferences:
    """The preferences of this extension, as `ui.preferences` declares them."""
    return bpy.context.preferences.addons[ROOT_PACKAGE].preferences


def engine_location() -> str:
    """Where the engine is: the preference, else the environment variable SELFRECT_ENGINE, else `engine` in the user folder.

    Empty where there is none of them. What a location may be is told by `host.engine_process.engine_command`.
    """
    own = user_folder() / "engine"
    chosen = preferences().engine_location.strip() or os.environ.get("SELFRECT_ENGINE", "").strip()
    return chosen or (str(own) if own.is_dir() else "")
