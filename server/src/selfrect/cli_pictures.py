# SPDX-License-Identifier: GPL-3.0-or-later
"""`selfrect rectify`: the pictures that come in, masks and maps among them, and those that go out."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .problems import Problem

if TYPE_CHECKING:

    from .engine import Request, Result

_SMALLEST, _MOST = 32, 8192 * 8192  # pixels: of a side, of all; `inputs` says why


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags that name pictures, and what is to be done with them."""
    files = parser.add_argument_group("pictures (PNG, TIFF, EXR; JPEG in only)")
    files.add_argument("--reference", nargs="+", action="extend", required=True, metavar="PICTURE",
                       help="the texture to look like; several may be given")  # fmt: skip
    files.add_argument("--target", required=True, metavar="PICTURE", help="the rough edit; transparent is background")
    files.add_argument("--output", metavar="PICTURE", help="the result: .png, .tif, .tiff or .exr; needed without --plan")
    files.add_argument("--bits", type=int, choices=(8, 16, 32), help="bits a channel of the output (default: PNG 8, "
                       "or 16 if a picture that came in has more than 8; TIFF 16; EXR 32)")  # fmt: skip
    files.add_argument("--force", action="store_true", help="let the output replace one of the pictures that came in")
    files.add_argument("--size", type=_size, metavar="WxH", help="scale the target (its mask and regions, too) to this size first")
    files.add_argument("--mask", metavar="PICTURE", help="where the picture may change: white. Where it is black, or transparent, "
                       "the target stays bit by bit")  # fmt: skip
    files.add_argument("--weight", type=_weight, nargs="+", action="extend", metavar="X",
                       help="how much each reference is used, in their order; 1 is usual")  # fmt: skip
    files.add_argument("--region", type=_named, action="append", default=[], metavar="N=PICTURE",
                       help="where in the result reference N (from 1) counts: white; without one, everywhere")  # fmt: skip
    files.add_argument("--map", type=_named, action="append", default=[], metavar="NAME=PICTURE",
                       help="another map of the reference's material, such as normal=n.png or roughness=r.exr, that the result is to have, "
                       "too; with several references one each: NAME=A,B. It is written beside the output: out_normal.png")  # fmt: skip


def read(given: argparse.Namespace, settings: dict[str, Any]) -> Request:
    """The request that the flags describe. Raises Problem bad_input for what cannot be read or does not fit together."""
    from .engine import Request
    from .image import read_data, read_image, read_mask
    from .resizing import resized_mask, resized_picture

    references, target = [read_image(path) for path in given.reference], read_image(given.target)
    mask = None if given.mask is None else read_mask(given.mask)
    regions = {number: read_mask(path) for number, path in _regions(given).items()}
    if given.size:
        size, old = given.size, target.shape[:2]
        target = resized_picture(target, *size)
        mask = resized_mask(mask, *size) if mask is not None and mask.shape == old else mask
        regions = {number: resized_mask(region, *size) if region.shape == old else region for number, region in regions.items()}
    return Request(
        references, target, given.seed, settings, mask=mask, weights=given.weight,
        regions=[regions.get(number) for number in range(1, len(references) + 1)] if regions else None,
        maps={name: [read_data(path) for path in paths] for name, paths in _maps(given).items()},
    )  # fmt: skip


def check_output(given: argparse.Namespace) -> int | None:
    """See that the result and its maps can be written and overwrite nothing that came in; returns its bits a channel, None: default.

    Raises Problem bad_input, for a picture that came in as well when its header cannot be read.
    """
    from . import image

    if given.output is None:
        raise Problem("bad_input", "The command cannot be understood: --output is missing.", "See selfrect rectify --help.")
    file_format = image.check_output(given.output, given.bits)
    masks = [given.mask] if given.mask else []
    came_in = [*given.reference, given.target, *masks, *_regions(given).values()]
    deepest = max(image.read_info(path).bits for path in (*given.reference, given.target))
    maps = _maps(given)
    for path in [*came_in, *(path for paths in maps.values() for path in paths)]:
        image.read_info(path)
        _check_other(given.output, path, given.force)
        for name, paths in maps.items():
            _check_other(place_of_map(given.output, name, paths[0])[0], path, given.force)
    for name, paths in maps.items():
        image.check_output(*place_of_map(given.output, name, paths[0]))
    return 16 if given.bits is None and file_format == "png" and deepest > 8 else given.bits


def write(given: argparse.Namespace, result: Result, bits: int | None) -> dict[str, Any]:
    """Write the picture and its maps; returns what the record says of them: output, and maps by name where there are any.

    Maps that nobody sent, which were estimated, get 16 bits and the ending of the output.
    """
    from .image import write_data, write_image

    write_image(given.output, result.image, bits)
    sources, maps = _maps(given), {}
    for name, array in result.maps.items():
        path, depth = place_of_map(given.output, name, sources[name][0]) if name in sources else (_beside(given.output, name), 16)
        write_data(path, array, depth)
        maps[name] = os.path.abspath(path)
    return {"output": os.path.abspath(given.output)} | ({"maps": maps} if maps else {})


def cut_light(given: argparse.Namespace, result: Result, bits: int | None) -> str:
    """What is to be said where the file cannot hold what the picture has; else nothing."""
    whole = Path(given.output).suffix.lower() != ".exr" and bits != 32
    brightest = float(result.image[..., :3].max())
    if not whole or brightest <= 1.001:
        return ""
    return f"The picture has light above white (up to {brightest:.3g}), which this file cannot hold: take .exr, or .tif with --bits 32."


def place_of_map(output: str, name: str, source: str) -> tuple[str, int]:
    """Where a map is written, and its bits a channel: beside the output, with the ending and depth of the map that came in."""
    from .image import FORMATS, read_info

    ending = Path(source).suffix.lower()
    return _beside(output, name, ending if ending in FORMATS else ".png"), read_info(source).bits


def _beside(output: str, name: str, ending: str | None = None) -> str:
    path = Path(output)
    return str(path.with_name(f"{path.stem}_{name.replace(' ', '_')}{ending or path.suffix}"))


def _check_other(output: str, path: str, force: bool) -> None:
    if not force and os.path.exists(output) and os.path.samefile(path, output):
        raise Problem(
            "bad_input",
            f"The output “{output}” is the same file as the picture “{path}” that comes in.",
            "Give another name, or --force to replace it.",
        )


def _maps(given: argparse.Namespace) -> dict[str, list[str]]:
    """Name → the file of each reference. With one reference a comma belongs to its file's name."""
    from .inputs import MAP_NAME, MAP_NAMES

    count, maps = len(given.reference), {}
    for name, value in given.map:
        if not MAP_NAME.fullmatch(name):
            raise Problem("bad_input", f"A map is called “{name}”.", MAP_NAMES)
        paths = [value] if count == 1 else value.split(",")
        if name in maps or len(paths) != count:
            what = "is given twice" if name in maps else f"has {len(paths)} pictures for {count} references"
            raise Problem("bad_input", f"The map “{name}” {what}.", "Give each map once, as NAME=PICTURE, one picture for each reference.")
        maps[name] = paths
    return maps


def _regions(given: argparse.Namespace) -> dict[int, str]:
    """Number of a reference, from 1 → its region's file."""
    numbers = [number for number, _ in given.region]
    for number in numbers:
        if not number.isdecimal() or not 1 <= int(number) <= len(given.reference) or numbers.count(number) > 1:
            sentence = f"A region is for reference “{number}”, and there are {len(given.reference)}."
            raise Problem("bad_input", sentence, "Give N=PICTURE with N from 1, in the order of --reference, each once.")
    return {int(number): path for number, path in given.region}


def _named(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"expected NAME=PICTURE, got “{text}”")
    return name.strip(), path


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number above 0, got “{text}”") from None


def _size(text: str) -> tuple[int, int]:
    sides = text.lower().replace("×", "x").split("x")
    width, height = (int(side) if side.isdecimal() else 0 for side in sides) if len(sides) == 2 else (0, 0)
    if min(width, height) < _SMALLEST or width * height > _MOST:
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT in pixels, from {_SMALLEST}x{_SMALLEST} to 8192x8192 in all, got “{text}”")
    return width, height
