# SPDX-License-Identifier: GPL-3.0-or-later
"""The maps of a material: the images besides its base colour that lie on the same places as it and should follow it.

An image counts once, however many channels of it are used and in how many nodes it stands. Reads nodes only, no pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import bpy

from ..host.engine_source import problems
from . import history, images, map_uses, node_graph, principled, reverts
from .map_uses import BASE, Use
from .node_graph import Place

#: what artists and engines call an image whose red, green and blue channels are these
_PACKED = {("ao", "roughness", "metallic"): "orm"}
_INVERTED = {"roughness": "gloss"}


@dataclass(frozen=True)
class Map:
    """name: as the engine calls it and files end, such as "normal" or "orm"; each once in a material.

    image: the artist's own, where a result of ours stands in its place. places: the nodes that hold it (or that result).
    reason: why it cannot follow, "" where it can.
    """

    name: str
    image: bpy.types.Image
    places: tuple[Place, ...]
    uses: tuple[Use, ...]
    reason: str = ""

    @property
    def is_alpha(self) -> bool:
        """Whether it is nothing but the alpha of its image."""
        return all(use.channel == "A" for use in self.uses)

    @property
    def y_down(self) -> bool:
        """Whether it is a normal map as DirectX has them."""
        return any(use.y_down for use in self.uses)


def of_material(material: bpy.types.Material | None, base: bpy.types.Image | None) -> list[Map]:
    """The maps that lie over `base`, which feeds the material's colour; none where it does not.

    The base image's own alpha is among them, as "opacity". An image that stands for nothing else but `base` is none.
    """
    shader = principled.of(material) if material and base else None
    if shader is None:
        return []
    found: dict[bpy.types.Image, list[tuple[Place, Use]]] = {}
    for place, use in map_uses.of_shader(shader, node_graph.output_node(material.node_tree)):
        if place.node.image:
            found.setdefault(original(material, place.node.image), []).append((place, use))
    if not any(use.role in (BASE, "emission") and use.channel != "A" for _, use in found.get(base, ())):
        return []
    found[base] = [(place, use) for place, use in found[base] if use.channel == "A"]
    return _named([_map(image, pairs, base) for image, pairs in found.items() if pairs])


def anywhere(base: bpy.types.Image | None) -> tuple[bpy.types.Material | None, list[Map]]:
    """The first material that has maps over `base`, and these."""
    for material in _users(base) if base else ():
        found = of_material(material, base)
        if found:
            return material, found
    return None, []


def original(material: bpy.types.Material | None, image: bpy.types.Image | None) -> bpy.types.Image | None:
    """The artist's image in whose place a result of ours, or a map of it, stands in this material; any other image as it is."""
    applied = material.selfrect.applied if material else None
    if image is None or applied is None:
        return image
    item = next((item for item in applied.selfrect.maps if item.image == image), None)
    if image != applied and item is None:
        return image
    before = reverts.before(material, image) or (bpy.data.images.get(item.source) if item else history.reference_of(image))
    return before or image


def same_picture(material: bpy.types.Material, image: bpy.types.Image) -> list[Place]:
    """All image textures behind the material's shader that show `image`."""
    shader = principled.of(material)
    found = map_uses.of_shader(shader, node_graph.output_node(material.node_tree)) if shader else ()
    return list(dict.fromkeys(place for place, _ in found if place.node.image == image))


def ticked(found: Iterable[Map]) -> list[Map]:
    """Those that can follow and shall."""
    return [each for each in found if not each.reason and each.image.selfrect.follows]


def named(name: str, of_each: Iterable[bpy.types.Image]) -> tuple[Map, ...]:
    """A map that someone names, one image for each reference, with what one of that name is for."""
    return tuple(Map(name, image, (), tuple(map_uses.of_name(name))) for image in of_each)


def listed(words: str, find: Callable[[str, str], bpy.types.Image]) -> list[tuple[Map, ...]]:
    """ "normal=bark_n, roughness=bark_r" → these maps; "normal=bark_n;moss_n" for two references.

    find: (name of the image, what for) → image; it raises Problem bad_input.
    """
    pairs = [word.partition("=") for word in words.split(",")]
    pairs = [(name.strip(), image_names.split(";")) for name, _, image_names in pairs]
    return [named(name, [find(image.strip(), f"map “{name}”") for image in image_names]) for name, image_names in pairs]


def together(
    found: Iterable[Map | tuple[Map, ...]], others: Iterable[bpy.types.Image]
) -> tuple[list[tuple[Map, ...]], list[str]]:
    """Each map with those of the same name over the other references, and the names of maps that one of these has not.

    A tuple is one for each reference already.
    """
    theirs = [{each.name: each for each in ticked(anywhere(image)[1])} for image in others]
    whole = [each if isinstance(each, tuple) else (each, *(there.get(each.name) for there in theirs)) for each in found]
    return [each for each in whole if None not in each], [each[0].name for each in whole if None in each]


def name_of(uses: Iterable[Use], is_data: bool) -> str:
    """ "normal", "gloss", or for several channels of one image "orm" or "opacity_height"."""
    roles = {}
    for use in sorted(uses, key=lambda use: "RGBA".find(use.channel)):
        roles.setdefault(_role(use, is_data), use)
    names = tuple(roles)
    if len(names) > 1 and any(name.startswith("normal") for name in names[1:]):
        names = (*(name for name in names if name.startswith("normal")), *(name for name in names if not name.startswith("normal")))
    return _PACKED.get(names, "_".join(names))


def _users(image: bpy.types.Image) -> list[bpy.types.Material]:
    """The materials that use an image, in a group or as what a result was put in place of, by name: far fewer than there are."""
    found, waiting = set(), {image}
    while waiting:
        users = bpy.data.user_map(subset=waiting, value_types={"MATERIAL", "NODETREE"})
        waiting = {user for users_of_one in users.values() for user in users_of_one} - found
        found |= waiting
    return sorted((user for user in found if isinstance(user, bpy.types.Material)), key=lambda material: material.name)


def _role(use: Use, is_data: bool) -> str:
    if use.role == BASE:  # multiplied into the colour: what the artist means by it stands in no node
        return "ao" if is_data or use.channel else "color"
    return _INVERTED.get(use.role, f"{use.role}_inverted") if use.inverted else use.role


def _map(image: bpy.types.Image, pairs: list[tuple[Place, Use]], base: bpy.types.Image) -> Map:
    uses = tuple(dict.fromkeys(use for _, use in pairs))
    places = tuple(dict.fromkeys(place for place, _ in pairs))
    return Map(name_of(uses, image.colorspace_settings.is_data), image, places, uses, _reason(image, base))


def _named(found: list[Map]) -> list[Map]:
    """Two of one name are told apart by a number."""
    taken: dict[str, int] = {}
    named = []
    for each in found:
        count = taken[each.name] = taken.get(each.name, 0) + 1
        named.append(replace(each, name=f"{each.name}_{count}") if count > 1 else each)
    return named


def _reason(image: bpy.types.Image, base: bpy.types.Image) -> str:
    """Why an image cannot follow the base. Of a base of UDIM tiles each tile needs its own."""
    try:
        images.check(image, "map", load=False, tiles=base.source == "TILED")
    except problems.Problem as problem:
        return str(problem)
    of_tiles, of_base = ([tile.number for tile in each.tiles] for each in (image, base))
    return "" if of_tiles == of_base else f"The map “{image.name}” has other UDIM tiles than “{base.name}”."
