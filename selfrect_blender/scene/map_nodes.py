# SPDX-License-Identifier: GPL-3.0-or-later
"""Plugging a result's maps into a material: where the old maps stood, else by new nodes at the inputs that they are for."""

from __future__ import annotations

from collections.abc import Callable

import bpy

from . import libraries, map_uses, maps, node_graph, principled, reverts
from .map_uses import BASE, Use
from .node_graph import Input, Place

_DISPLACED = 0.02  # metres from black to white: what a height means is not known, and Blender's own 1 m tears surfaces apart

#: swaps or adds an image at a place: (material, image, place)
Put = Callable[[bpy.types.Material, bpy.types.Image, Place], object]


def plug(material: bpy.types.Material, result: bpy.types.Image, put: Put, single_user: bool) -> tuple[dict[str, str], list[str]]:
    """Plug in all maps of `result`, which is the base colour already.

    Returns {map: image} of what was plugged in and the names of maps for which there is no place.
    """
    plugged, left = {}, []
    base = maps.original(material, result)
    here = {found.name: found for found in maps.of_material(material, base) if not (found.is_alpha and found.image == base)}
    for item in result.selfrect.maps:
        if item.image is None:
            continue
        if item.name in here:
            for place in here[item.name].places:
                put(material, item.image, libraries.own_groups(place, material, single_user))
        elif not _build(material, item.image, map_uses.read(item.uses), single_user):
            left.append(item.name)
            continue
        plugged[item.name] = item.image.name
    return plugged, left


def _build(material: bpy.types.Material, image: bpy.types.Image, uses: list[Use], single_user: bool) -> bool:
    """An image texture with what is needed behind it, for each use that has an input. Whether there was one."""
    textures: dict[bpy.types.NodeTree, bpy.types.Node] = {}
    for use in uses:
        end = _end(material, use.role)
        if end is None:
            continue
        socket = libraries.own_input(end, material, single_user).socket
        tree = socket.id_data
        texture = textures[tree] = textures.get(tree) or _texture(material, image, socket)
        value = _value(material, texture, use, socket)
        if use.role.startswith("bump") and socket.is_linked:  # what stood there goes on through the bump
            tree.links.new(socket.links[0].from_socket, value.node.inputs["Normal"])
        reverts.keep_link(material, socket)
        tree.links.new(value, socket)
    return bool(textures)


def _end(material: bpy.types.Material, role: str) -> Input | None:
    """The input that takes a map of this role; before a bump whose own normal is free, that one's."""
    if role in ("height", "displacement"):
        output = node_graph.output_node(material.node_tree)
        return Input(output.inputs["Displacement"]) if output else None
    shader = principled.of(material)
    wanted = {"bump": "normal", "bump_coat": "normal_coat"}.get(role, role)
    sockets = shader.node.inputs if shader else ()
    socket = next((socket for socket in sockets if socket.enabled and map_uses.role_of(socket) == wanted != BASE), None)
    if socket is None:
        return None
    fed = node_graph.source(Input(socket, shader.path))
    if fed and role.startswith("normal") and fed[0].node.type == "BUMP" and not fed[0].node.inputs["Normal"].is_linked:
        return Input(fed[0].node.inputs["Normal"], fed[1])
    return node_graph.open_end(Input(socket, shader.path))


def _texture(material: bpy.types.Material, image: bpy.types.Image, end: bpy.types.NodeSocket) -> bpy.types.Node:
    """Looks at the same coordinates as the base colour's texture, where that one stands in the same tree."""
    tree, shader = end.id_data, principled.of(material)
    node = _new(material, tree, "ShaderNodeTexImage", end, 3)
    node.image = image
    bases = principled.textures(principled.base_color(shader)) if shader else []
    base = next((place.node for place in bases if place.tree == tree), None)
    if base:
        copy_look(base, node)
    return node


def copy_look(old: bpy.types.Node, new: bpy.types.Node) -> None:
    """Let an image texture look at its image as another one does."""
    for name in ("interpolation", "extension", "projection", "projection_blend"):
        setattr(new, name, getattr(old, name))
    if old.inputs["Vector"].is_linked:
        new.id_data.links.new(old.inputs["Vector"].links[0].from_socket, new.inputs["Vector"])


def _value(material: bpy.types.Material, texture: bpy.types.Node, use: Use, end: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    """The output that gives this use of a texture, through the nodes that it needs."""
    tree = texture.id_data
    output = texture.outputs["Alpha" if use.channel == "A" else "Color"]
    if use.channel in ("R", "G", "B"):
        separate = next((link.to_node for link in output.links if link.to_node.type == "SEPARATE_COLOR"), None)
        if separate is None:
            separate = _new(material, tree, "ShaderNodeSeparateColor", end, 2)
            tree.links.new(output, separate.inputs[0])
        output = separate.outputs["RGB".index(use.channel)]
    if use.inverted:
        output = _through(material, tree, "ShaderNodeInvert", end, output, "Color")
    if use.role.startswith("normal"):
        return _normal(material, tree, end, output, use.y_down)
    if use.role.startswith("bump"):
        return _through(material, tree, "ShaderNodeBump", end, output, "Height")
    if use.role == "height":
        displaced = _through(material, tree, "ShaderNodeDisplacement", end, output, "Height")
        displaced.node.inputs["Scale"].default_value = _DISPLACED
        return displaced
    return output


def _normal(
    material: bpy.types.Material, tree: bpy.types.NodeTree, end: bpy.types.NodeSocket, output: bpy.types.NodeSocket, y_down: bool
) -> bpy.types.NodeSocket:
    """A Normal Map; before it, where green points down and the node cannot be told so (Blender before 5.2), green is turned over."""
    vectors = _through(material, tree, "ShaderNodeNormalMap", end, output, "Color")
    if y_down and hasattr(vectors.node, "convention"):
        vectors.node.convention = "DIRECTX"
    elif y_down:
        red = _through(material, tree, "ShaderNodeSeparateColor", end, output, "Color")
        _, green, blue = red.node.outputs
        up = _through(material, tree, "ShaderNodeInvert", end, green, "Color")
        whole = _through(material, tree, "ShaderNodeCombineColor", end, red, "Red")
        tree.links.new(up, whole.node.inputs["Green"])
        tree.links.new(blue, whole.node.inputs["Blue"])
        tree.links.new(whole, vectors.node.inputs["Color"])
    return vectors


def _through(
    material: bpy.types.Material, tree: bpy.types.NodeTree, kind: str, end: bpy.types.NodeSocket, output: bpy.types.NodeSocket, name: str
) -> bpy.types.NodeSocket:
    node = _new(material, tree, kind, end, 1)
    tree.links.new(output, node.inputs[name])
    return node.outputs[0]


def _new(material: bpy.types.Material, tree: bpy.types.NodeTree, kind: str, end: bpy.types.NodeSocket, column: int) -> bpy.types.Node:
    """A node left of the input that it is for, beneath those that stand there."""
    node = tree.nodes.new(kind)
    reverts.keep_node(material, node)
    left = end.node.location.x - 300 * column
    beside = [other.location.y - 280 for other in tree.nodes if other != node and abs(other.location.x - left) < 200]
    node.location = (left, min([end.node.location.y, *beside]))
    return node
