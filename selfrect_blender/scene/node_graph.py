# SPDX-License-Identifier: GPL-3.0-or-later
"""Walking a shader's node graph against the current: from a socket to the nodes that feed it.

The walk goes through reroutes and in and out of node groups. A node inside a group is known together with the
group nodes that lead to it, outermost first (`path`): the same group may stand in several places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import bpy


@dataclass(frozen=True)
class Place:
    """A node and the group nodes through which it was reached."""

    node: bpy.types.Node
    path: tuple[bpy.types.Node, ...] = ()

    @property
    def tree(self) -> bpy.types.NodeTree:
        """The tree that holds the node: the material's own or a group's."""
        return self.node.id_data


@dataclass(frozen=True)
class Input:
    """An input socket and the group nodes through which it was reached."""

    socket: bpy.types.NodeSocket
    path: tuple[bpy.types.Node, ...] = ()


def output_node(tree: bpy.types.NodeTree) -> bpy.types.Node | None:
    """The Material Output in use: the one for all renderers, else Cycles', else EEVEE's."""
    return next((node for node in map(tree.get_output_node, ("ALL", "CYCLES", "EEVEE")) if node), None)


def upstream(start: Input, socket_type: str, node_type: str) -> Iterator[Place]:
    """The nodes of `node_type` that feed `start` through sockets of `socket_type`, nearest branch first, each place once.

    socket_type: "SHADER" follows mixed and added shaders, "RGBA" follows colours (and so leaves out factors and vectors).
    """
    seen: set[tuple] = set()
    waiting = [start]
    while waiting:
        fed = source(waiting.pop(0))
        if fed is None:
            continue
        output, path = fed
        node = output.node
        key = (node.as_pointer(), tuple(outer.as_pointer() for outer in path))
        if key in seen:
            continue
        seen.add(key)
        if node.type == node_type:
            if output.type == socket_type:  # an image's Alpha output is not its colour
                yield Place(node, path)
            continue
        waiting[:0] = [Input(socket, path) for socket in node.inputs if socket.type == socket_type and socket.enabled]


def open_end(start: Input) -> Input:
    """Where to plug a node in so that it feeds `start`: `start` itself, or the input of an outer group node that leads to it."""
    path = start.path
    link = _link(start.socket)
    while link and link.from_node.type == "REROUTE":
        link = _link(link.from_node.inputs[0])
    if not link or link.from_node.type != "GROUP_INPUT" or not path:
        return start
    outer = _same_socket(path[-1].inputs, link.from_socket)
    return open_end(Input(outer, path[:-1])) if outer else start


def source(end: Input) -> tuple[bpy.types.NodeSocket, tuple[bpy.types.Node, ...]] | None:
    """The output socket that feeds an input, seen through reroutes and the walls of groups; None where nothing does."""
    socket, path = end.socket, end.path
    for _ in range(1000):  # a graph that bites its own tail ends here
        link = _link(socket)
        if link is None:
            return None
        node, output = link.from_node, link.from_socket
        if node.type == "REROUTE":
            socket = node.inputs[0]
        elif node.type == "GROUP" and node.node_tree:
            socket, path = _group_result(node, output), (*path, node)
        elif node.type == "GROUP_INPUT" and path:
            socket, path = _same_socket(path[-1].inputs, output), path[:-1]
        else:
            return output, path
        if socket is None:
            return None
    return None


def _link(socket: bpy.types.NodeSocket) -> bpy.types.NodeLink | None:
    return next((link for link in socket.links if link.is_valid and not link.is_muted), None)


def _group_result(group: bpy.types.Node, output: bpy.types.NodeSocket) -> bpy.types.NodeSocket | None:
    """The socket inside a group that its output stands for."""
    ends = [node for node in group.node_tree.nodes if node.type == "GROUP_OUTPUT" and node.is_active_output]
    return _same_socket(ends[0].inputs, output) if ends else None


def _same_socket(sockets: bpy.types.bpy_prop_collection, other: bpy.types.NodeSocket) -> bpy.types.NodeSocket | None:
    return next((socket for socket in sockets if socket.identifier == other.identifier), None)
