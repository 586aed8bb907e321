# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials to try things on."""

from __future__ import annotations

import bpy


def new_material(name="wood"):
    material = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    return material


def principled(material):
    return next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")


def add(tree, kind, **inputs):
    node = tree.nodes.new(f"ShaderNode{kind}")
    for name, output in inputs.items():
        tree.links.new(output, node.inputs[name])
    return node


def texture(tree, image):
    node = add(tree, "TexImage")
    node.image = image
    return node


def snapshot(material):
    """Every node with its image and every link, by name."""
    tree = material.node_tree
    nodes = {node.name: getattr(node, "image", None) for node in tree.nodes}
    links = [(link.from_node.name, link.from_socket.name, link.to_node.name, link.to_socket.identifier) for link in tree.links]
    return nodes, links


def color_of(material):
    return principled(material).inputs["Base Color"]


def new_group(name="group"):
    group = bpy.data.node_groups.new(name, "ShaderNodeTree")
    group.interface.new_socket("Color", in_out="INPUT", socket_type="NodeSocketColor")
    group.interface.new_socket("Color", in_out="OUTPUT", socket_type="NodeSocketColor")
    return group, group.nodes.new("NodeGroupInput"), group.nodes.new("NodeGroupOutput")
