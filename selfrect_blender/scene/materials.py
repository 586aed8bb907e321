# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting a picture where a material takes its base colour from. Everything is looked up and checked before anything is changed."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from ..host.engine_source import problems
from . import node_graph
from .node_graph import Input, Place

_BASE_COLOR = "Base Color"


@dataclass(frozen=True)
class Applied:
    """What was done, in names: `sentence` for the artist, the rest for scripts."""

    material: str
    node: str
    image: str
    previous: str | None  # the image that the node held before; None: the node is new
    sentence: str

    def as_dict(self) -> dict[str, str | None]:
        """JSON-ready."""
        return {"material": self.material, "node": self.node, "image": self.image, "previous": self.previous}


def apply(material: bpy.types.Material, image: bpy.types.Image, reference: bpy.types.Image | None = None) -> Applied:
    """Make `image` the base colour of `material`; mapping, UV map, interpolation and extension stay.

    The Image Texture that feeds Base Color gets the image; of several, the one that holds the reference. Where there is
    none, texture coordinate, mapping and image node are built. Raises Problem bad_input and changes nothing.
    """
    _check_editable(material)
    principled = _principled(material)
    if principled is None:
        _use_nodes(material)
        return _build(material, image, _new_principled(material))
    base_color = Input(principled.node.inputs[_BASE_COLOR], principled.path)
    place = _image_texture(base_color, reference)
    if place is None:
        end = node_graph.open_end(base_color)
        _check_tree(end.socket.id_data, material)
        _use_nodes(material)
        return _build(material, image, end)
    _check_tree(place.tree, material)
    _use_nodes(material)
    previous = place.node.image.name if place.node.image else None
    place.node.image = image
    return Applied(material.name, place.node.name, image.name, previous, _swapped(place, material, image))


def of_context(context: bpy.types.Context) -> bpy.types.Material | None:
    """The material that the artist means: the Shader Editor's own, else the active object's; None: one can be made for it.

    Raises Problem bad_input where there is no object that could carry one, or the material cannot be edited.
    """
    space = context.space_data
    if space and space.type == "NODE_EDITOR" and isinstance(space.id, bpy.types.Material):
        material = space.id
    else:
        owner = context.view_layer.objects.active
        material = owner.active_material if owner else None
        if material is None:
            _check_owner(owner)
    if material:
        _check_editable(material)
    return material


def find_or_make(context: bpy.types.Context) -> bpy.types.Material:
    """As `of_context`; an object that has no material gets one."""
    material = of_context(context)
    if material is None:
        owner = context.view_layer.objects.active
        material = bpy.data.materials.new(owner.name)
        _use_nodes(material)
        owner.active_material = material
    return material


def by_name(name: str) -> bpy.types.Material:
    """The material called `name`. Raises Problem bad_input."""
    material = bpy.data.materials.get(name)
    if material is None:
        raise problems.Problem("bad_input", f"There is no material “{name}”.", "Choose a material that is in this file.")
    return material


def _check_editable(material: bpy.types.Material) -> None:
    if material.library or material.override_library:
        where = f" “{material.library.filepath}”" if material.library else ""
        raise problems.Problem(
            "bad_input",
            f"The material “{material.name}” is linked from another file{where} and cannot be changed here.",
            "Make it local (Object > Relations > Make Local), or apply the picture in that file.",
        )
    if material.is_grease_pencil:
        raise problems.Problem(
            "bad_input", f"“{material.name}” is a Grease Pencil material, which has no shader nodes.", "Choose a mesh's material."
        )


def _check_owner(owner: bpy.types.Object | None) -> None:
    reason = ""
    if owner is None:
        reason = "There is no active object that could have a material."
    elif not hasattr(owner.data, "materials"):
        reason = f"The object “{owner.name}” cannot have a material."
    elif owner.library or owner.override_library or owner.data.library:
        reason = f"The object “{owner.name}” has no material and comes from another file."
    if reason:
        raise problems.Problem("bad_input", reason, "Select an object that has a material, or a mesh of this file.")


def _check_tree(tree: bpy.types.NodeTree, material: bpy.types.Material) -> None:
    if tree.library:
        raise problems.Problem(
            "bad_input",
            f"The base colour of “{material.name}” comes from the node group “{tree.name}”, linked from “{tree.library.filepath}”.",
            "Make the group local, or apply the picture in that file.",
        )


def _principled(material: bpy.types.Material) -> Place | None:
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


def _image_texture(base_color: Input, reference: bpy.types.Image | None) -> Place | None:
    places = list(node_graph.upstream(base_color, "RGBA", "TEX_IMAGE"))
    with_reference = [place for place in places if reference and place.node.image == reference]
    return next(iter(with_reference + places), None)


def _use_nodes(material: bpy.types.Material) -> None:
    """Before 5.0 a material may do without its nodes; where it has none, this makes Principled BSDF and output."""
    if bpy.app.version < (5, 0) and not material.use_nodes:
        material.use_nodes = True


def _new_principled(material: bpy.types.Material) -> Input:
    """Give a material whose output takes no shader a Principled BSDF; returns its Base Color."""
    tree = material.node_tree
    output = node_graph.output_node(tree) or tree.nodes.new("ShaderNodeOutputMaterial")
    principled = next((node for node in tree.nodes if node.type == "BSDF_PRINCIPLED"), None)
    if principled is None:
        principled = tree.nodes.new("ShaderNodeBsdfPrincipled")
        principled.location = (output.location.x - 300, output.location.y)
    tree.links.new(principled.outputs["BSDF"], output.inputs["Surface"])
    return Input(principled.inputs[_BASE_COLOR])


def _build(material: bpy.types.Material, image: bpy.types.Image, end: Input) -> Applied:
    """Texture Coordinate (UV) → Mapping → Image Texture → `end`."""
    tree, socket = end.socket.id_data, end.socket
    texture, mapping, coordinate = map(tree.nodes.new, ("ShaderNodeTexImage", "ShaderNodeMapping", "ShaderNodeTexCoord"))
    for node, left in ((texture, 300), (mapping, 500), (coordinate, 700)):
        node.location = (socket.node.location.x - left, socket.node.location.y)
    texture.image = image
    tree.links.new(coordinate.outputs["UV"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    tree.links.new(texture.outputs["Color"], socket)
    sentence = f"“{image.name}” is the base colour of “{material.name}” through new nodes."
    return Applied(material.name, texture.name, image.name, None, sentence + _shared(tree, material))


def _swapped(place: Place, material: bpy.types.Material, image: bpy.types.Image) -> str:
    sentence = f"“{image.name}” is the base colour of “{material.name}” in the node “{place.node.label or place.node.name}”."
    return sentence + _shared(place.tree, material)


def _shared(tree: bpy.types.NodeTree, material: bpy.types.Material) -> str:
    """A word of warning where the node lies in a group that others use too."""
    if tree == material.node_tree or tree.users <= 1:
        return ""
    return f" The node group “{tree.name}” is used in {tree.users} places: all of them change."
