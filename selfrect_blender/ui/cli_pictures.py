# SPDX-License-Identifier: GPL-3.0-or-later
"""The command's pictures: by their names in the file, or by path. The same flags as `selfrect rectify` has without Blender."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import bpy

from ..host.engine_source import problems
from ..scene import map_uses, maps, materials
from ..scene.references import Further, Used


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags that name pictures and say which part of them counts."""
    add, what = parser.add_argument, "NAME|PATH"
    add("--reference", required=True, nargs="+", action="extend", metavar=what, help="what the result should look like; one or several")
    add("--target", required=True, metavar=what, help="the rough edit whose layout is kept")
    add("--mask", metavar=what, help="where the picture may change: white; elsewhere the target stays bit by bit")
    add("--size", type=_size, metavar="WxH", default=(0, 0), help="of the result in pixels; default: the target's")
    add("--tile", type=_axes, default=(), metavar="x|y|xy", help="the edges that are to meet; as --tile-x, --tile-y")
    add("--weight", type=float, nargs="+", action="extend", metavar="X", help="how much each reference is used, in their order; 1 is usual")
    add("--region", type=_pair, action="append", default=[], metavar="N=NAME|PATH", help="where reference N (from 1) counts: white")
    add("--map", type=_pair, action="append", default=[], metavar="NAME=NAME|PATH", help="another map of the reference, such as "
        "normal=n.png, that the result is to have too; with several references one each: NAME=A,B")  # fmt: skip
    add("--maps", action=argparse.BooleanOptionalAction, default=None, help="the maps of the material (of --material, the active one, "
        "or any) that has the reference as its base colour; default: the scene's, at first yes")  # fmt: skip


def read(options: argparse.Namespace) -> dict[str, Any]:
    """What `rectify.order` takes of it: reference, target, further, follow. Raises Problem bad_input."""
    references = [find(name, "reference") for name in options.reference]
    regions = {number: find(name, f"region of reference {number}") for number, name in options.region}
    weights = options.weight or [1.0] * len(references)
    if len(weights) != len(references) or not all(number.isdigit() and 0 < int(number) <= len(references) for number in regions):
        sentence = f"There are {len(references)} references; the weights and regions are for others."
        raise problems.Problem("bad_input", sentence, "Give one weight for each reference, and regions as 1=…, 2=… in their order.")
    pairs = enumerate(zip(references, weights, strict=True), 1)
    first, *others = [Used(image, weight, regions.get(str(number))) for number, (image, weight) in pairs]
    mask = find(options.mask, "mask") if options.mask else None
    return {
        "reference": references[0],
        "target": find(options.target, "target"),
        "further": Further(tuple(others), first.weight, first.region, mask, options.size),
        "follow": _follow(options, references[0]),
    }


def find(name: str, what: str) -> bpy.types.Image:
    """An image of the file by name, else by path."""
    image = bpy.data.images.get(name)
    if image is None and not Path(name).is_file():
        sentence = f"There is neither an image nor a file “{name}” for the {what}."
        raise problems.Problem("bad_input", sentence, "Give an image's name in the .blend, or the path of a picture.")
    return image or bpy.data.images.load(str(Path(name).absolute()), check_existing=True)


def _follow(options: argparse.Namespace, reference: bpy.types.Image) -> list[Any]:
    if options.map:
        return [maps.named(name, [_map(name, each) for each in names.split(",")]) for name, names in options.map]
    wanted = bpy.context.scene.selfrect.with_maps if options.maps is None else options.maps
    found = maps.of_material(materials.by_name(options.material), reference) if options.material else []
    return maps.ticked(found or materials.maps_under(bpy.context, reference)) if wanted else []


def _map(name: str, image_name: str) -> bpy.types.Image:
    """A file that is read for this is data, unless a map of this name is a colour."""
    known = len(bpy.data.images)
    image = find(image_name, f"map “{name}”")
    if len(bpy.data.images) > known and not map_uses.is_color(name):
        image.colorspace_settings.is_data = True
    return image


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator and value):
        raise argparse.ArgumentTypeError(f"expected NAME=PICTURE, got “{text}”")
    return name, value


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"expected a size such as 1024x512, got “{text}”")
    return int(width), int(height)


def _axes(text: str) -> str:
    if text.lower() not in ("x", "y", "xy"):
        raise argparse.ArgumentTypeError(f"expected x, y or xy, got “{text}”")
    return text.lower()
