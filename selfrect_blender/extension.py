# SPDX-License-Identifier: GPL-3.0-or-later
"""Who we are to Blender: the root package's name, the folders that are ours, the preferences."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bpy

#: "bl_ext.<repository>.selfrect_blender": the name that add-on preferences and user folders go by.
ROOT_PACKAGE = __package__.rpartition(".")[0]


def user_folder(create: bool = False) -> Path:
    """The folder that Blender gives this extension for its own files; it survives updates of the extension."""
    return Path(bpy.utils.extension_path_user(ROOT_PACKAGE, create=create))


def shared_folder() -> Path:
    """The folder of this user's data that all Blenders share: an engine of gigabytes is wanted once, not once a version.

    Where BLENDER_USER_RESOURCES says that all of a Blender's files belong in one place, it is this extension's folder there.
    """
    if os.environ.get("BLENDER_USER_RESOURCES"):
        return user_folder()
    if sys.platform == "win32":  # as short as can be: Windows allows 259 letters to the end of the longest path
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "selfrect"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/selfrect"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "selfrect"


def preferences() -> bpy.types.AddonPreferences:
    """The preferences of this extension, as `ui.preferences` declares them."""
    return bpy.context.preferences.addons[ROOT_PACKAGE].preferences
