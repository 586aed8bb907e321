# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the extension, in the order in which Blender gets to know them."""

from __future__ import annotations

from . import main_thread
from .ui import cli, engine_settings, operators, panels, preferences, properties, translations

# Properties come before what draws them. main_thread first: it is then the last to go, when no part asks for work any more.
PARTS = (
    main_thread,
    translations,
    preferences,
    engine_settings,
    properties,
    operators,
    panels,  # the root panels come before the sub-panels of others
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
