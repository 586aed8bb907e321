# SPDX-License-Identifier: GPL-3.0-or-later
"""The Principled BSDF of a material: where it stands and what feeds its colour."""

from __future__ import annotations

import bpy

from ..host.engine_source import problems
from . import node_graph
from .node_graph import Input, Place

BASE_COLOR = "Base Color"


def of(material: bpy.types.Material) -> Place | None:
    """The Principled BSDF behind the Material Output; None where there is none."""
    try:
        return find(material)
    except problems.Problem:
        return None


def find(material: bpy.types.Material) -> Place | None:
    """The Principled BSDF behind the Material Output; None where the output takes no shader at all.

    Raises Problem where it takes another kind of shader: what its colour is, is not ours to guess.
    """
    output = node_graph.output_node(material.node_tree) if material.node_tree else None
    surface = output.inputs["Surface"] if output else None
    if surface is None or not surface.is_linked:
        return None
    place = next(node_graph.upstream(Input(surface), "SHADER", "BSDF_PRINCIPLED"), None)
    if place is None:
        raise problems.Problem(
            "bad_input",
            f"The material “{material.name}” has no Principled BSDF behind its Material Output.",
            "Add one and connect it to the output, or connect the result by hand.",
        )
    return place


def base_color(place: Place) -> Input:
    """The input for the colour."""
    return Input(place.node.inputs[BASE_COLOR], place.path)


def textures(color: Input) -> list[Place]:
    """The image textures that feed a colour, nearest first."""
    return list(node_graph.upstream(color, "RGBA", "TEX_IMAGE"))
