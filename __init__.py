# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's front door. It imports inside the calls only, so that tools which meet this file without Blender
(pytest at the root of the repository, for one) can read it."""


def register() -> None:
    """Called by Blender when the extension is switched on."""
    from .selfrect_blender import addon

    addon.register()


def unregister() -> None:
    """Called by Blender when the extension is switched off, and when Blender quits."""
    from .selfrect_blender import addon

    addon.unregister()
