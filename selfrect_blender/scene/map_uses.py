# SPDX-License-Identifier: GPL-3.0-or-later
"""What a material takes each of its images for: every image texture behind the Principled BSDF and the displacement.

The walk goes against the current from each input. On its way it learns which channel is taken (Separate Color), whether the
values are turned over (Invert) and what they mean (Normal Map, Bump, Displacement). Reads nodes only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace

import bpy

from . import node_graph
from .node_graph import Input, Place

BASE = "base_color"
#: inputs of the Principled BSDF whose maps are called otherwise; all others by their own name
_ROLES = {
    "Alpha": "opacity",
    "Emission Color": "emission",
    "Specular IOR Level": "specular",
    "Subsurface Weight": "subsurface",
    "Transmission Weight": "transmission",
    "Coat Weight": "coat",
    "Coat Normal": "normal_coat",
    "Sheen Weight": "sheen",
}
_PACKED = {"orm": ("ao", "roughness", "metallic"), "arm": ("ao", "roughness", "metallic")}
_COLORS = {"color", "emission"}
_FACTORS = {"Fac", "Factor"}
_VALUES = {"VALUE", "RGBA", "VECTOR"}  # types of sockets, shaders left out
_SEPARATE = {"SEPARATE_COLOR", "SEPRGB", "SEPXYZ"}
_COMBINE = {"COMBINE_COLOR", "COMBRGB", "COMBXYZ"}
#: nodes that give what they take another meaning: type → (input, role by what it was before; "" leaves it as it is)
_MEANING = {
    "BUMP": (("Normal", {}), ("Height", {"normal": "bump", "normal_coat": "bump_coat"})),
    "DISPLACEMENT": (("Height", {"displacement": "height"}),),
    "VECTOR_DISPLACEMENT": (("Vector", {}),),
}


@dataclass(frozen=True)
class Use:
    """role: "normal", "roughness", …; channel: "R", "G", "B" or "A", "" for the whole colour; inverted: 1 − value is taken.

    y_down: a normal whose green channel points down the picture, as DirectX has it.
    """

    role: str
    channel: str = ""
    inverted: bool = False
    y_down: bool = False


@dataclass(frozen=True)
class _Way:
    """What is known on the way from an input to an image. part: of a colour that is combined from channels."""

    use: Use
    part: str = ""


def of_shader(principled: Place, output: bpy.types.Node | None) -> Iterator[tuple[Place, Use]]:
    """Each image texture with what it is used for, in the order of the inputs; several times where it has several uses."""
    for socket in principled.node.inputs:
        if socket.enabled and socket.type in _VALUES and socket.name != "Tangent":
            yield from _walk(Input(socket, principled.path), _Way(Use(role_of(socket))), set())
    if output:
        yield from _walk(Input(output.inputs["Displacement"]), _Way(Use("displacement")), set())
    yield from _for_export(principled.path[0].id_data if principled.path else principled.tree)


def role_of(socket: bpy.types.NodeSocket) -> str:
    """What feeds this input of the Principled BSDF is called: "Coat Roughness" → "coat_roughness"."""
    return _ROLES.get(socket.name, socket.name.lower().replace(" ", "_"))


def of_name(name: str) -> list[Use]:
    """What a map of this name is for, where no material tells it."""
    if name in _PACKED:
        return [Use(role, channel) for role, channel in zip(_PACKED[name], "RGB", strict=True)]
    return [Use("roughness", inverted=True)] if name == "gloss" else [Use(name)]


def is_color(name: str) -> bool:
    """Whether a map of this name is a colour; all others are data."""
    return name in _COLORS or name.endswith(("_tint", "_color"))


def written(uses: Iterable[Use]) -> str:
    """As text, to be kept in the .blend."""
    return json.dumps([asdict(use) for use in uses])


def read(text: str) -> list[Use]:
    """The uses that `written` wrote; none where it is something else."""
    try:
        return [Use(**use) for use in json.loads(text or "[]")]
    except (TypeError, ValueError):
        return []


def _for_export(tree: bpy.types.NodeTree) -> Iterator[tuple[Place, Use]]:
    """Ambient occlusion has no input in Blender; glTF's exporter takes it from a group of this name."""
    for node in tree.nodes:
        if node.type == "GROUP" and node.node_tree and node.node_tree.name.startswith("glTF"):
            for socket in (socket for socket in node.inputs if socket.name == "Occlusion"):
                yield from _walk(Input(socket), _Way(Use("ao")), set())


def _walk(end: Input, way: _Way, seen: set) -> Iterator[tuple[Place, Use]]:
    fed = node_graph.source(end)
    if fed is None:
        return
    output, path = fed
    key = (output.as_pointer(), tuple(outer.as_pointer() for outer in path), way)
    if key in seen:
        return
    seen.add(key)
    node = output.node
    if node.type == "TEX_IMAGE":
        yield Place(node, path), _reached(way, output)
        return
    for socket, further in _steps(node, output, way):
        yield from _walk(Input(socket, path), further, seen)


def _reached(way: _Way, output: bpy.types.NodeSocket) -> Use:
    """The use of an image at which a way ends. A normal put together from its own channels is a whole one again."""
    use = replace(way.use, channel="A") if output.name == "Alpha" else way.use
    if not way.part or use.channel != way.part:
        return use
    is_green = use.role.startswith("normal") and way.part == "G"
    return replace(use, channel="", inverted=use.inverted and not is_green, y_down=use.y_down or (is_green and use.inverted))


def _steps(node: bpy.types.Node, output: bpy.types.NodeSocket, way: _Way) -> Iterator[tuple[bpy.types.NodeSocket, _Way]]:
    """The inputs of a node from which the walk goes on."""
    use = way.use
    if node.type.startswith("TEX_"):
        return  # coordinates are no map
    if node.type == "NORMAL_MAP":
        if node.space == "TANGENT":  # in any other space the values belong to the object, not to the picture
            down = getattr(node, "convention", "OPENGL") == "DIRECTX"
            yield node.inputs["Color"], replace(way, use=replace(use, y_down=down))
    elif node.type in _MEANING:
        for name, roles in _MEANING[node.type]:
            yield node.inputs[name], replace(way, use=replace(use, role=roles.get(use.role, use.role)))
    elif node.type in _SEPARATE:
        place = list(node.outputs).index(output)
        is_rgb = getattr(node, "mode", "RGB") == "RGB"
        yield node.inputs[0], replace(way, use=replace(use, channel="RGB"[place] if is_rgb else ""))
    elif node.type in _COMBINE:
        for letter, socket in zip("RGB", node.inputs, strict=False):
            if use.channel in ("", letter):
                yield socket, _Way(replace(use, channel=""), part=letter if use.channel == "" else way.part)
    else:
        yield from _through(node, way)


def _through(node: bpy.types.Node, way: _Way) -> Iterator[tuple[bpy.types.NodeSocket, _Way]]:
    """Any other node: all that it takes. A factor is a mask, unless it is the value itself, as a ramp's."""
    use = way.use
    if node.type == "INVERT":
        yield node.inputs["Color"], replace(way, use=replace(use, inverted=not use.inverted))
    elif node.type == "MATH" and node.operation == "SUBTRACT" and not node.inputs[0].is_linked and node.inputs[0].default_value == 1:
        yield node.inputs[1], replace(way, use=replace(use, inverted=not use.inverted))
    else:
        masks = [socket for socket in node.inputs if socket.name in _FACTORS and node.type != "VALTORGB"]
        for socket in node.inputs:
            if socket.enabled and socket.type in _VALUES:
                yield socket, _Way(Use("mask")) if socket in masks else way
