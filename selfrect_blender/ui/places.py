# SPDX-License-Identifier: GPL-3.0-or-later
"""Where our panels stand: the tab "Rectify" in the sidebars of the Image Editor, the Shader Editor and the 3D Viewport.

    class _Results:                      # a plain class, no bpy.types.Panel: one text, drawn in three editors
        bl_label = "Results"
        bl_options = {"DEFAULT_CLOSED"}
        bl_order = places.RESULTS

        def draw(self, context): ...

    PANELS = places.sidebar_panels(_Results, "results", parent=True)   # SELFRECT_PT_results_image, _shader, _view3d
    register, unregister = bpy.utils.register_classes_factory(PANELS)
"""

from __future__ import annotations

from collections.abc import Iterable

import bpy

TAB = "Rectify"
#: editor → the ending of our classes' names there
SUFFIXES = {"IMAGE_EDITOR": "image", "NODE_EDITOR": "shader", "VIEW_3D": "view3d"}
#: bl_order of the sub-panels: the order of the artist's work, then what is set up once
EDIT_TARGET, SETTINGS, EXPLORE, RESULTS, COMPARE, MATERIAL, MODELS, ENGINE = range(10, 90, 10)
REFERENCES, REGION = EDIT_TARGET + 3, EDIT_TARGET + 6
MAPS = SETTINGS + 5


def sidebar_panels(mixin: type, name: str, places: Iterable[str] = tuple(SUFFIXES), parent: bool = False) -> tuple[type, ...]:
    """One panel class for each editor of `places`, made of a mixin with bl_label, draw and what else a panel may have.

    name: the middle of the class names; empty for the root panels. parent: stands inside the root panel of its editor,
    whose classes have to be registered before. A poll of the mixin is asked after the editor's own.
    """
    return tuple(_panel(mixin, name, place, parent) for place in places)


def is_ours(context: bpy.types.Context) -> bool:
    """Whether this editor is one that the tab is for: not the compositor's, nor that of geometry nodes."""
    space = context.space_data
    return space is None or space.type != "NODE_EDITOR" or space.tree_type == "ShaderNodeTree"


def editors() -> tuple[str, ...]:
    """The types of the editors that the tab stands in."""
    return tuple(SUFFIXES)


def _panel(mixin: type, name: str, place: str, parent: bool) -> type:
    suffix = SUFFIXES[place]
    more = getattr(mixin, "poll", None)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return is_ours(context) and (more is None or more(context))

    contents = {"bl_space_type": place, "bl_region_type": "UI", "bl_category": TAB, "poll": poll, "__doc__": mixin.__doc__}
    if parent:
        contents["bl_parent_id"] = f"SELFRECT_PT_{suffix}"
    full_name = "_".join(part for part in ("SELFRECT_PT", name, suffix) if part)
    return type(full_name, (mixin, bpy.types.Panel), contents)
