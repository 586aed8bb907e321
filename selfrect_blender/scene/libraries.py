# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials and node groups of other files: what may be changed here is a copy, put where the original stood."""

from __future__ import annotations

import bpy

from ..host.engine_source import problems
from . import reverts
from .node_graph import Input, Place


def is_foreign(block: bpy.types.ID) -> bool:
    """Linked from another file, or an override of something linked: its nodes cannot be changed."""
    return bool(block.library or block.override_library)


def check(material: bpy.types.Material) -> None:
    """Raise Problem bad_input unless the material can be changed, or a copy can stand in for it."""
    if material.is_grease_pencil:
        sentence = f"“{material.name}” is a Grease Pencil material, which has no shader nodes."
        raise problems.Problem("bad_input", sentence, "Choose a mesh's material.")
    if is_foreign(material) and not _slots(material):
        where = f" “{material.library.filepath}”" if material.library else ""
        raise problems.Problem(
            "bad_input",
            f"The material “{material.name}” is linked from another file{where}, and so is every object that has it.",
            "Make such an object local (Object > Relations > Make Local), or apply the picture in that file.",
        )


def local(material: bpy.types.Material) -> bpy.types.Material:
    """The material itself, or a local copy in its place on every object of this file. After `check`."""
    if not is_foreign(material):
        return material
    slots = _slots(material)
    copy = material.copy()
    if is_foreign(copy):
        copy = copy.make_local(clear_liboverride=True)
    for slot in slots:
        if is_foreign(slot.id_data.data):
            slot.link = "OBJECT"
        slot.material = copy
    copy.selfrect.linked = material
    return copy


def own_groups(place: Place, material: bpy.types.Material, single_user: bool) -> Place:
    """The same place where it may be changed: groups of other files on the way to it are replaced by local copies.

    single_user: so are groups that are used elsewhere too, for the change to stay in this material.
    """
    tree, path, within = material.node_tree, [], {material}
    for outer in place.path:
        holder = tree.nodes[outer.name]
        group = holder.node_tree
        if is_foreign(group) or (single_user and users_of(group) - within):
            reverts.keep_group(material, holder)
            holder.node_tree = group.copy()
        path.append(holder)
        tree = holder.node_tree
        within.add(tree)
    return Place(tree.nodes[place.node.name], tuple(path))


def own_input(end: Input, material: bpy.types.Material, single_user: bool) -> Input:
    """The same input where it may be changed."""
    place = own_groups(Place(end.socket.node, end.path), material, single_user)
    return Input(next(socket for socket in place.node.inputs if socket.identifier == end.socket.identifier), place.path)


def users_of(group: bpy.types.NodeTree) -> set[bpy.types.ID]:
    """The materials and groups that use a group."""
    return bpy.data.user_map(subset={group})[group]


def _slots(material: bpy.types.Material) -> list[bpy.types.MaterialSlot]:
    """The slots of this file's own objects that hold the material. A linked mesh's slot can be the object's own instead."""
    own = [thing for thing in bpy.data.objects if not is_foreign(thing)]
    return [slot for thing in own for slot in thing.material_slots if slot.material == material]
