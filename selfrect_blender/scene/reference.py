# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image the artist means without having chosen one: the node, the paint slot or the material that is active."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from . import maps, materials, node_graph, principled
from .node_graph import Input

#: inputs to look at where there is no Principled BSDF or nothing feeds its Base Color, in this order
_ELSE = ("Emission Color", "Emission", "Color")
_SHADERS = ("EMISSION", "BSDF_DIFFUSE", "BSDF_GLOSSY", "BSDF_ANISOTROPIC", "BSDF_TOON", "SUBSURFACE_SCATTERING", "BSDF_TRANSLUCENT")


@dataclass(frozen=True)
class Found:
    """image: None where there is none, and `reason` says why. kind: NODE, SLOT or MATERIAL; name: of that node or material."""

    image: bpy.types.Image | None
    kind: str = ""
    name: str = ""
    reason: str = ""


def find(context: bpy.types.Context) -> Found:
    """The active image node of the Shader Editor, else the paint slot in Texture Paint mode, else the material's base colour.

    An image that is a result of ours stands for what was there before it was applied. Walks nodes, reads no pixels.
    """
    found = _of_node(context) or _of_slot(context)
    if found:
        return found
    material = materials.active(context)
    if material is None:
        return Found(None, reason="There is no active material.")
    image = of_material(material)
    if image is None:
        return Found(None, "MATERIAL", material.name, f"No image gives the material “{material.name}” its colour.")
    return Found(image, "MATERIAL", material.name)


def of_material(material: bpy.types.Material) -> bpy.types.Image | None:
    """The image that feeds Base Color, else emission, else the colour of another shader."""
    if material.node_tree is None:
        return None
    for base in _inputs(material):
        for place in principled.textures(base):
            image = maps.original(material, place.node.image)
            if image:
                return image
    return None


def _inputs(material: bpy.types.Material) -> list[Input]:
    """The colour inputs in the order in which they are asked."""
    output = node_graph.output_node(material.node_tree)
    if output is None or not output.inputs["Surface"].is_linked:
        return []
    surface, found = Input(output.inputs["Surface"]), []
    shader = principled.of(material)
    places = [shader] if shader else []
    for kind in _SHADERS:
        places += node_graph.upstream(surface, "SHADER", kind)
    for place in places:
        found += [Input(place.node.inputs[name], place.path) for name in ("Base Color", *_ELSE) if name in place.node.inputs]
    return found


def _of_node(context: bpy.types.Context) -> Found | None:
    space = context.space_data
    tree = space.edit_tree if space and space.type == "NODE_EDITOR" and space.tree_type == "ShaderNodeTree" else None
    node = tree.nodes.active if tree else None
    if node is None or not node.select or node.type != "TEX_IMAGE" or node.image is None:
        return None
    material = space.id if isinstance(space.id, bpy.types.Material) else None
    return Found(maps.original(material, node.image), "NODE", node.label or node.name)


def _of_slot(context: bpy.types.Context) -> Found | None:
    if context.mode != "PAINT_TEXTURE":
        return None
    paint = context.scene.tool_settings.image_paint
    if paint.mode == "IMAGE":
        return Found(paint.canvas, "SLOT", paint.canvas.name) if paint.canvas else None
    material = materials.active(context)
    slots = material.texture_paint_images if material else ()
    if not slots or not 0 <= material.paint_active_slot < len(slots):
        return None
    image = maps.original(material, slots[material.paint_active_slot])
    return Found(image, "SLOT", image.name) if image else None
