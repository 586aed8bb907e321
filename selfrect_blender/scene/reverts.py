# SPDX-License-Identifier: GPL-3.0-or-later
"""What a material was before a result was applied to it, kept in the .blend with the material: `material.selfrect`.

Each change is kept as a small step; `revert` goes through them backwards. Several results tried one after another come to
one state before, the artist's own. Nodes are known by their names: one that was renamed meanwhile is left as it is, and told.
"""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, CollectionProperty, PointerProperty, StringProperty

from ..host.engine_source import problems


def _pointer(kind: type, description: str) -> PointerProperty:
    return PointerProperty(type=kind, description=description)


class SelfrectStep(bpy.types.PropertyGroup):
    """One change. kind: IMAGE, GROUP, NODE, LINK, UNLINK or USE_NODES, see `_BACK`."""

    kind: StringProperty()
    group: _pointer(bpy.types.NodeTree, "The group in which it happened; empty: the material's own nodes")
    node: StringProperty()
    socket: StringProperty(description="An input's identifier")
    source: StringProperty(description="The node that was linked to it")
    output: StringProperty(description="That node's output")
    image: _pointer(bpy.types.Image, "What the node showed")
    tree: _pointer(bpy.types.NodeTree, "The group that the node held")


class SelfrectMaterial(bpy.types.PropertyGroup):
    """What is kept with a material."""

    steps: CollectionProperty(type=SelfrectStep)
    applied: _pointer(bpy.types.Image, "The result that was applied last")
    linked: _pointer(bpy.types.Material, "The linked material that this one stands in for")
    made: BoolProperty(description="The whole material is ours")


def begin(material: bpy.types.Material, current: bpy.types.Image | None) -> None:
    """Before a change. Where the artist has chosen another image since, that one is what will be gone back to."""
    data = material.selfrect
    if data.steps and data.applied != current:
        data.steps.clear()


def keep_image(material: bpy.types.Material, node: bpy.types.Node) -> None:
    """`node` is about to show another image. Kept once: the nodes that are ours have nothing to go back to."""
    tree, data = _group_of(node.id_data, material), material.selfrect
    if not any(step.kind in {"IMAGE", "NODE"} and (step.group, step.node) == (tree, node.name) for step in data.steps):
        _add(material, "IMAGE", node).image = node.image


def keep_group(material: bpy.types.Material, node: bpy.types.Node) -> None:
    """`node` is about to hold another group."""
    _add(material, "GROUP", node).tree = node.node_tree


def keep_node(material: bpy.types.Material, node: bpy.types.Node) -> None:
    """`node` was made."""
    _add(material, "NODE", node)


def keep_link(material: bpy.types.Material, socket: bpy.types.NodeSocket) -> None:
    """Another link is about to go into this input."""
    step = _add(material, "LINK" if socket.is_linked else "UNLINK", socket.node)
    step.socket = socket.identifier
    if socket.is_linked:
        step.source, step.output = socket.links[0].from_node.name, socket.links[0].from_socket.identifier


def keep_use_nodes(material: bpy.types.Material) -> None:
    """The material is about to use its nodes."""
    material.selfrect.steps.add().kind = "USE_NODES"


def before(material: bpy.types.Material, image: bpy.types.Image) -> bpy.types.Image | None:
    """What a node that shows `image` now showed before; None where nothing of that is kept."""
    for step in material.selfrect.steps:
        node = _node(material, step) if step.kind == "IMAGE" and step.image else None
        if node and getattr(node, "image", None) == image:
            return step.image
    return None


def is_kept(material: bpy.types.Material | None) -> bool:
    """Whether there is something to go back to."""
    data = material.selfrect if material else None
    return bool(data and (data.steps or data.linked or data.made))


def revert(material: bpy.types.Material) -> list[str]:
    """Make the material what it was; returns the names of nodes that are gone. The material itself may go with it.

    Raises Problem bad_input where nothing was applied.
    """
    if not is_kept(material):
        sentence = f"Nothing was applied to the material “{material.name}”."
        raise problems.Problem("bad_input", sentence, "Choose a material to which a result was applied.")
    data, gone = material.selfrect, []
    for step in reversed(list(data.steps)):
        if not _BACK[step.kind](material, step):
            gone.append(step.node)
    linked, made = data.linked, data.made
    data.steps.clear()
    data.applied = data.linked = None
    data.made = False
    if linked or made:
        _replace(material, linked)
    return gone


def _add(material: bpy.types.Material, kind: str, node: bpy.types.Node) -> SelfrectStep:
    step = material.selfrect.steps.add()
    step.kind, step.node, step.group = kind, node.name, _group_of(node.id_data, material)
    return step


def _group_of(tree: bpy.types.NodeTree, material: bpy.types.Material) -> bpy.types.NodeTree | None:
    """A material's own tree is part of it and cannot be pointed to."""
    return None if tree == material.node_tree else tree


def _node(material: bpy.types.Material, step: SelfrectStep, name: str = "") -> bpy.types.Node | None:
    return (step.group or material.node_tree).nodes.get(name or step.node)


def _image_back(material: bpy.types.Material, step: SelfrectStep) -> bool:
    node = _node(material, step)
    if node is None or node.type != "TEX_IMAGE":
        return False
    node.image = step.image
    return True


def _group_back(material: bpy.types.Material, step: SelfrectStep) -> bool:
    node = _node(material, step)
    if node is None or node.type != "GROUP" or step.tree is None:
        return False
    copy, node.node_tree = node.node_tree, step.tree
    if copy and copy != step.tree and not [user for user in bpy.data.user_map(subset={copy})[copy] if user != material]:
        for other in material.selfrect.steps:
            other.group = None if other.group == copy else other.group
        bpy.data.node_groups.remove(copy)
    return True


def _node_back(material: bpy.types.Material, step: SelfrectStep) -> bool:
    node = _node(material, step)
    if node:
        node.id_data.nodes.remove(node)
    return node is not None


def _link_back(material: bpy.types.Material, step: SelfrectStep) -> bool:
    node, source = _node(material, step), _node(material, step, step.source)
    to = next((socket for socket in node.inputs if socket.identifier == step.socket), None) if node else None
    come = next((socket for socket in source.outputs if socket.identifier == step.output), None) if source else None
    if to and come:
        node.id_data.links.new(come, to)
    return bool(to and come)


def _unlink_back(material: bpy.types.Material, step: SelfrectStep) -> bool:
    node = _node(material, step)
    socket = next((socket for socket in node.inputs if socket.identifier == step.socket), None) if node else None
    for link in list(socket.links) if socket else ():
        node.id_data.links.remove(link)
    return socket is not None


def _use_nodes_back(material: bpy.types.Material, _step: SelfrectStep) -> bool:
    material.use_nodes = False
    return True


_BACK = {
    "IMAGE": _image_back,
    "GROUP": _group_back,
    "NODE": _node_back,
    "LINK": _link_back,
    "UNLINK": _unlink_back,
    "USE_NODES": _use_nodes_back,
}


def _replace(material: bpy.types.Material, other: bpy.types.Material | None) -> None:
    """Where `material` is in a slot, put `other`; a slot that was made for it goes; then it goes itself."""
    for thing in bpy.data.objects:
        for index, slot in reversed(list(enumerate(thing.material_slots))):
            if slot.material != material:
                continue
            slot.material = other
            if slot.link == "OBJECT" and other and thing.data.materials[index] == other:
                slot.link = "DATA"
            elif other is None and slot.link == "DATA" and len(thing.material_slots) == 1:
                thing.data.materials.clear()
    if not [user for user in bpy.data.user_map(subset={material})[material] if not isinstance(user, bpy.types.Scene)]:
        bpy.data.materials.remove(material)


_register, _unregister = bpy.utils.register_classes_factory((SelfrectStep, SelfrectMaterial))


def register() -> None:
    """Give each material its memory."""
    _register()
    bpy.types.Material.selfrect = PointerProperty(type=SelfrectMaterial)


def unregister() -> None:
    """Take the property back; what files hold stays and is found again."""
    del bpy.types.Material.selfrect
    _unregister()
