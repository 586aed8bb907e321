# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting a picture where a material takes its base colour from. Everything is looked up and checked before anything is changed."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import bpy

from ..host.engine_source import problems
from . import libraries, map_nodes, maps, node_graph, principled, reverts
from .node_graph import Input, Place

_elsewhere = ("", 0.0, "")  # an image's name, until when it is known, the material that has maps over it
_WITH_ALPHA = (32, 64, 128)  # bits of a pixel whose alpha means something
HOW = (
    ("SWAP", "Swap", "The image texture that gives the base colour gets the result"),
    ("SLOT", "New Paint Slot", "The result gets an image texture of its own; the old one stays as a paint slot"),
)


@dataclass(frozen=True)
class Applied:
    """What was done, in names: `sentence` for the artist, the rest for scripts."""

    material: str
    node: str
    image: str
    previous: str | None  # the image that the node held before; None: the node is new
    sentence: str
    maps: dict[str, str] = field(default_factory=dict)  # that came with the result: name → image

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        told = asdict(self)
        del told["sentence"]
        return told


def apply(
    material: bpy.types.Material,
    image: bpy.types.Image,
    reference: bpy.types.Image | None = None,
    how: str = "SWAP",
    single_user: bool = False,
) -> Applied:
    """Make `image` the base colour of `material` and plug its maps in; mapping, UV map, interpolation and extension stay.

    `revert` undoes it.

    The Image Texture that feeds Base Color gets the image (of several, the one that holds the reference), or with "SLOT"
    one is put beside it. Where there is none, texture coordinate, mapping and image node are built. A linked material or
    group is changed as a local copy. single_user: so is a group that others use. Raises Problem bad_input and changes nothing.
    """
    libraries.check(material)
    _locate(material, reference)  # raises before anything has changed
    local = libraries.local(material)
    place, end = _locate(local, reference)
    reverts.begin(local, place.node.image if place else None)
    _use_nodes(local)
    if place is None:
        applied = _build(local, image, libraries.own_input(end, local, single_user) if end else _new_principled(local))
    else:
        place = libraries.own_groups(place, local, single_user)
        applied = _slot(local, image, place) if how == "SLOT" else _swap_all(local, image, place, single_user)
    local.selfrect.applied = image
    plugged, left = map_nodes.plug(local, image, _slot if how == "SLOT" else _swap, single_user)
    note = f" “{local.name}” is a local copy of the linked material." if local != material else ""
    return replace(applied, sentence=applied.sentence + _of_maps(plugged, left) + note, maps=plugged)


def apply_to_all(
    materials: list[bpy.types.Material], image: bpy.types.Image, reference: bpy.types.Image | None = None, **options: Any
) -> tuple[list[Applied], list[problems.Problem]]:
    """As `apply`, to each material once: what was done, and why not with the others. Raises the first Problem where none worked."""
    done, refused = [], []
    for material in materials:
        try:
            done.append(apply(material, image, reference, **options))
        except problems.Problem as problem:
            refused.append(problem)
    if refused and not done:
        raise refused[0]
    return done, refused


def of_selected(context: bpy.types.Context) -> list[bpy.types.Material]:
    """The active materials of all selected objects, each once; objects that have none share a new one.

    Raises Problem bad_input where no selected object could have a material.
    """
    owners = [thing for thing in context.selected_objects if hasattr(thing.data, "materials")]
    if not owners:
        sentence = "No object that could have a material is selected."
        raise problems.Problem("bad_input", sentence, "Select an object that has a material, or a mesh of this file.")
    bare = [thing for thing in owners if thing.active_material is None and not libraries.is_foreign(thing.data)]
    if bare:
        new = _new_material(bare[0].name)
        for thing in bare:
            thing.active_material = new
    return list(dict.fromkeys(thing.active_material for thing in owners if thing.active_material))


def maps_under(context: bpy.types.Context, base: bpy.types.Image | None) -> list[maps.Map]:
    """The maps that lie over `base` in the active material, else in the first one that has some.

    Asked while drawing, so where it is not the active one the others are searched once a second at most.
    """
    global _elsewhere
    found = maps.of_material(active(context), base)
    if found or base is None:
        return found
    name, until, material = _elsewhere
    if name != base.name or time.monotonic() > until:
        there, found = maps.anywhere(base)
        _elsewhere = (base.name, time.monotonic() + 1.0, there.name if there else "")
        return found
    return maps.of_material(bpy.data.materials.get(material), base)


def active(context: bpy.types.Context) -> bpy.types.Material | None:
    """The Shader Editor's own material, else the active object's."""
    space = context.space_data
    if space and space.type == "NODE_EDITOR" and isinstance(space.id, bpy.types.Material):
        return space.id
    owner = context.view_layer.objects.active
    return owner.active_material if owner else None


def of_context(context: bpy.types.Context) -> bpy.types.Material | None:
    """The material that the artist means; None: one can be made for the active object.

    Raises Problem bad_input where there is no object that could carry one, or the material cannot be changed.
    """
    material = active(context)
    if material is None:
        _check_owner(context.view_layer.objects.active)
    else:
        libraries.check(material)
    return material


def find_or_make(context: bpy.types.Context) -> bpy.types.Material:
    """As `of_context`; an object that has no material gets one."""
    material = of_context(context)
    if material is None:
        owner = context.view_layer.objects.active
        material = _new_material(owner.name)
        owner.active_material = material
    return material


def by_name(name: str) -> bpy.types.Material:
    """The material called `name`. Raises Problem bad_input."""
    material = bpy.data.materials.get(name)
    if material is None:
        raise problems.Problem("bad_input", f"There is no material “{name}”.", "Choose a material that is in this file.")
    return material


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


def _locate(material: bpy.types.Material, reference: bpy.types.Image | None) -> tuple[Place | None, Input | None]:
    """The texture to change; else the input to build one for; else (None, None): not even a shader is there."""
    place = principled.find(material)
    if place is None:
        return None, None
    base_color = principled.base_color(place)
    place = _image_texture(material, base_color, reference)
    return (place, None) if place else (None, node_graph.open_end(base_color))


def _image_texture(material: bpy.types.Material, base_color: Input, reference: bpy.types.Image | None) -> Place | None:
    places = principled.textures(base_color)
    wanted = {reference, material.selfrect.applied} - {None}
    return next(iter([place for place in places if place.node.image in wanted] + places), None)


def _new_material(name: str) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    material.selfrect.made = True
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    return material


def _use_nodes(material: bpy.types.Material) -> None:
    """Before 5.0 a material may do without its nodes; where it has none, this makes Principled BSDF and output."""
    if bpy.app.version < (5, 0) and not material.use_nodes:
        reverts.keep_use_nodes(material)
        material.use_nodes = True


def _new_principled(material: bpy.types.Material) -> Input:
    """Give a material whose output takes no shader a Principled BSDF; returns its Base Color."""
    tree = material.node_tree
    output = node_graph.output_node(tree) or _new_node(material, tree, "ShaderNodeOutputMaterial")
    shader = next((node for node in tree.nodes if node.type == "BSDF_PRINCIPLED"), None)
    if shader is None:
        shader = _new_node(material, tree, "ShaderNodeBsdfPrincipled")
        shader.location = (output.location.x - 300, output.location.y)
    if not output.inputs["Surface"].is_linked:
        reverts.keep_link(material, output.inputs["Surface"])
        tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])
    return Input(shader.inputs[principled.BASE_COLOR])


def _new_node(material: bpy.types.Material, tree: bpy.types.NodeTree, kind: str) -> bpy.types.Node:
    node = tree.nodes.new(kind)
    reverts.keep_node(material, node)
    return node


def _build(material: bpy.types.Material, image: bpy.types.Image, end: Input) -> Applied:
    """Texture Coordinate (UV) → Mapping → Image Texture → `end`."""
    tree, socket = end.socket.id_data, end.socket
    reverts.keep_link(material, socket)
    kinds = ("ShaderNodeTexImage", "ShaderNodeMapping", "ShaderNodeTexCoord")
    texture, mapping, coordinate = (_new_node(material, tree, kind) for kind in kinds)
    for node, left in ((texture, 300), (mapping, 500), (coordinate, 700)):
        node.location = (socket.node.location.x - left, socket.node.location.y)
    texture.image = image
    tree.links.new(coordinate.outputs["UV"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    tree.links.new(texture.outputs["Color"], socket)
    tree.nodes.active = texture  # the paint slot that is painted on
    sentence = f"“{image.name}” is the base colour of “{material.name}” through new nodes."
    return Applied(material.name, texture.name, image.name, None, sentence + _shared(tree, material))


def _swap(material: bpy.types.Material, image: bpy.types.Image, place: Place) -> Applied:
    previous = place.node.image.name if place.node.image else None
    reverts.keep_image(material, place.node)
    place.node.image = image
    sentence = f"“{image.name}” is the base colour of “{material.name}” in the node “{place.node.label or place.node.name}”."
    return Applied(material.name, place.node.name, image.name, previous, sentence + _shared(place.tree, material))


def _swap_all(material: bpy.types.Material, image: bpy.types.Image, place: Place, single_user: bool) -> Applied:
    """Also where the same picture stands elsewhere in the material, as behind a bump."""
    others = [other for other in maps.same_picture(material, place.node.image) if other != place] if place.node.image else []
    applied = _swap(material, image, place)
    for other in others:
        _swap(material, image, libraries.own_groups(other, material, single_user))
    return applied


def _slot(material: bpy.types.Material, image: bpy.types.Image, place: Place) -> Applied:
    """A texture beside the old one, looking at the same coordinates, takes over all that it goes to."""
    tree, old = place.tree, place.node
    outputs = ["Color", *(["Alpha"] if image.depth in _WITH_ALPHA else [])]
    taken = [(name, link.to_socket) for name in outputs for link in old.outputs[name].links]
    for _, socket in taken:
        reverts.keep_link(material, socket)
    new = _new_node(material, tree, "ShaderNodeTexImage")
    new.location = (old.location.x, old.location.y - 300)
    new.image = image
    map_nodes.copy_look(old, new)
    for name, socket in taken:
        tree.links.new(new.outputs[name], socket)
    tree.nodes.active = new
    sentence = f"“{image.name}” is a new paint slot of “{material.name}” and its base colour; the old one stays."
    return Applied(material.name, new.name, image.name, None, sentence + _shared(tree, material))


def _of_maps(plugged: dict[str, str], left: list[str]) -> str:
    """What became of the maps."""
    said = f" With it: {', '.join(plugged)}." if plugged else ""
    return said + (f" There is no place in the material for {', '.join(left)}." if left else "")


def _shared(tree: bpy.types.NodeTree, material: bpy.types.Material) -> str:
    """A word of warning where the node lies in a group that others use too."""
    others = set() if tree == material.node_tree else libraries.users_of(tree) - {material}
    if not others:
        return ""
    names = ", ".join(sorted(f"“{user.name}”" for user in others))
    return f" It is in the node group “{tree.name}”, which changes for {names} too."
