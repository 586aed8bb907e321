# SPDX-License-Identifier: GPL-3.0-or-later
"""UDIM: an image of several tiles, 1001, 1002, … Tiles that touch become one canvas, so that what is made meets at their borders.

Blender gives Python the pixels of the first tile only, so tiles are read from their files (packed, on the disk, or for painted ones written
for this), and a tiled image is made of files, which are packed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import bpy
import numpy as np

from ..edit import sampling
from ..host.engine_source import problems
from . import images

_TOKEN = "<UDIM>"
_ACROSS = 10  # tiles in a row of numbers


@dataclass
class Together:
    """The orders of one tiled image land in one result. names: what was asked for → what the image is called that has landed by now."""

    names: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """One canvas of a tiled target. tiles: its pixels."""

    group: Group
    tiles: Mapping[int, images.Pixels]
    together: Together


@dataclass(frozen=True)
class Group:
    """Tiles that touch. cell: (width, height) of the largest, which all have on the canvas; sizes: of each as it is."""

    numbers: tuple[int, ...]
    cell: tuple[int, int]
    sizes: Mapping[int, tuple[int, int]]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the canvas."""
        columns, rows = (1 + max(places) - min(places) for places in zip(*map(place, self.numbers), strict=True))
        return columns * self.cell[0], rows * self.cell[1]

    @property
    def corner(self) -> tuple[int, int]:
        """(column, row) of the lower left one, be it there or not."""
        return tuple(min(places) for places in zip(*map(place, self.numbers), strict=True))

    def slices(self, number: int, shape: tuple[int, int]) -> tuple[slice, slice]:
        """Where a tile lies on a canvas (height, width) of any resolution, bottom row first."""
        left, low = self.corner
        column, row = place(number)
        width, height = shape[1] * self.cell[0] // self.size[0], shape[0] * self.cell[1] // self.size[1]
        return slice((row - low) * height, (row - low + 1) * height), slice((column - left) * width, (column - left + 1) * width)


def place(number: int) -> tuple[int, int]:
    """(column, row) of a tile; 1001 is (0, 0)."""
    row, column = divmod(number - 1001, _ACROSS)
    return column, row


def is_tiled(image: bpy.types.Image | None) -> bool:
    """Whether it is one of several tiles."""
    return image is not None and image.source == "TILED"


def groups(sizes: Mapping[int, tuple[int, int]]) -> list[Group]:
    """The tiles (number → size) in groups that are connected by whole sides, each in the order of its numbers."""
    found, waiting = [], set(sizes)
    while waiting:
        group, edge = set(), {min(waiting)}
        while edge:
            group |= edge
            edge = {other for number in edge for other in waiting - group if _touch(number, other)}
        waiting -= group
        cell = tuple(max(sizes[number][axis] for number in group) for axis in (0, 1))
        found.append(Group(tuple(sorted(group)), cell, {number: sizes[number] for number in group}))
    return found


def parts(target: bpy.types.Image) -> list[Part]:
    """The canvases of a tiled target. Raises Problem bad_input."""
    tiles, together = read(target, "target"), Together()
    sizes = {number: (tile.width, tile.height) for number, tile in tiles.items()}
    return [Part(group, {number: tiles[number] for number in group.numbers}, together) for group in groups(sizes)]


def read(image: bpy.types.Image, what: str) -> dict[int, images.Pixels]:
    """The pixels of each tile, painted and never saved ones included. Raises Problem bad_input."""
    return {number: images.read(tile, what) for number, tile in each(image, what)}


def each(image: bpy.types.Image, what: str) -> Iterator[tuple[int, bpy.types.Image]]:
    """Each tile as an image of its own, which goes when the next one is asked for. Raises Problem bad_input."""
    for number, file in files(image, what).items():
        tile = _of_file(image, file, "selfrect tile")
        try:
            yield number, tile
        finally:
            bpy.data.images.remove(tile)


def single(image: bpy.types.Image, number: int, what: str) -> bpy.types.Image:
    """A new image of one tile as it is now, packed: "wall 1002". Raises Problem bad_input."""
    return _of_file(image, files(image, what, {number})[number], f"{image.name} {number}")


def active(image: bpy.types.Image) -> int:
    """The number of the tile that is chosen in the list of the Image Editor."""
    return image.tiles.active.number if image.tiles.active else image.tiles[0].number


def path_of(path: Path, number: int | None = None) -> Path:
    """Of a tile's file, where `path` is that of the whole; None: with Blender's mark for the number in it."""
    name = path.name if _TOKEN in path.name else f"{path.stem}.{_TOKEN}{path.suffix}"
    return path.with_name(name if number is None else name.replace(_TOKEN, str(number)))


def files(image: bpy.types.Image, what: str, only: Container[int] | None = None) -> dict[int, bytes]:
    """The file of each tile, or of `only` these, as it is now, in its own colour space. Raises Problem bad_input."""
    numbers = [tile.number for tile in image.tiles if only is None or tile.number in only]
    if image.is_dirty or not (image.packed_files or image.filepath_raw):
        with _written(image) as folder:
            return {number: (folder / f"tile.{number}{ending_of(image)}").read_bytes() for number in numbers}
    packed = {entry.tile_number: entry.packed_file for entry in image.packed_files}
    return {number: packed[number].data if number in packed else _on_disk(image, number, what) for number in numbers}


def stitched(tiles: Mapping[int, images.Pixels], group: Group) -> images.Pixels:
    """One canvas; where a tile is missing it is transparent."""
    canvas = np.zeros((group.size[1], group.size[0], 4), np.float32)
    for number in (number for number in group.numbers if number in tiles):
        picture = tiles[number].picture()[::-1]
        if (picture.shape[1], picture.shape[0]) != group.cell:
            picture = sampling.scaled(picture, *group.cell)
        canvas[group.slices(number, canvas.shape[:2])] = picture
    first = next(iter(tiles.values()))
    return replace(first, flat=canvas.reshape(-1), width=group.size[0], height=group.size[1], channels=4, opaque=False)


def cut(canvas: np.ndarray, group: Group) -> dict[int, np.ndarray]:
    """Tiles (h, w, C), each as large as it was in relation to the others, of a canvas of any resolution. All bottom row first."""
    found = {}
    for number in group.numbers:
        tile = canvas[group.slices(number, canvas.shape[:2])]
        factor = tile.shape[1] / group.cell[0]
        size = tuple(round(side * factor) for side in group.sizes[number])
        found[number] = tile if size == (tile.shape[1], tile.shape[0]) else sampling.scaled(np.ascontiguousarray(tile), *size)
    return found


def landed(part: Part, name: str, tiles: Mapping[int, bytes], space: str, alpha_mode: str = "") -> bpy.types.Image:
    """The result with these tiles, EXR, besides those that have landed before."""
    before = bpy.data.images.get(part.together.names.get(name, ""))
    if is_tiled(before):
        extend(before, tiles, ".exr")
        return before
    image = new_image(name, tiles, ".exr", space, alpha_mode)
    part.together.names[name] = image.name
    return image


def new_image(name: str, tiles: Mapping[int, bytes], ending: str, space: str, alpha_mode: str = "") -> bpy.types.Image:
    """A new tiled image of files, packed into the .blend. ending: of the files, ".exr"."""
    with _folder(tiles, ending) as folder:
        image = bpy.data.images.load(str(folder / f"tile.{min(tiles)}{ending}"))
        image.source = "TILED"
        image.filepath = str(folder / f"tile.{_TOKEN}{ending}")
        image.colorspace_settings.name = space
        if alpha_mode:
            image.alpha_mode = alpha_mode
        image.pack()
        image.filepath_raw, image.name = "", name
        return image


def extend(image: bpy.types.Image, tiles: Mapping[int, bytes], ending: str) -> None:
    """Give a tiled image more or other tiles; all of it is packed then. ending: of all its files."""
    all_tiles = {**files(image, "result"), **tiles}
    with _folder(all_tiles, ending) as folder:
        if image.packed_files:
            image.unpack(method="REMOVE")
        for number in set(all_tiles) - {tile.number for tile in image.tiles}:
            image.tiles.new(number)
        image.filepath = str(folder / f"tile.{_TOKEN}{ending}")
        image.reload()
        image.pack()
        image.filepath_raw = ""


def copy(image: bpy.types.Image, name: str) -> bpy.types.Image:
    """Of an image with all its tiles, painted and never saved ones included, packed."""
    return new_image(name, files(image, "reference"), ending_of(image), image.colorspace_settings.name, image.alpha_mode)


def told(numbers: Iterable[int]) -> str:
    """As one says it: "1001, 1002"."""
    return ", ".join(map(str, sorted(numbers)))


def _touch(one: int, other: int) -> bool:
    return sum(abs(a - b) for a, b in zip(place(one), place(other), strict=True)) == 1


def ending_of(image: bpy.types.Image) -> str:
    """Of the tiles' files, as `files` gives them: ".exr"."""
    if image.is_dirty or not (image.packed_files or image.filepath_raw):
        return ".exr" if image.is_float else ".png"
    path = image.filepath_raw or next((entry.filepath for entry in image.packed_files), "")
    return Path(path).suffix or (".exr" if image.is_float else ".png")


def _of_file(image: bpy.types.Image, file: bytes, name: str) -> bpy.types.Image:
    """A tile's file as an image of its own, of the same kind as the whole."""
    tile = bpy.data.images.new(name, 1, 1)
    tile.source = "FILE"
    tile.pack(data=file, data_len=len(file))
    tile.colorspace_settings.name, tile.alpha_mode = image.colorspace_settings.name, image.alpha_mode
    return tile


def _on_disk(image: bpy.types.Image, number: int, what: str) -> bytes:
    path = Path(bpy.path.abspath(image.filepath_raw, library=image.library).replace(_TOKEN, str(number)))
    try:
        return path.read_bytes()
    except OSError as error:
        sentence = f"Tile {number} of the {what} “{image.name}” has no pixels: “{path}” could not be read."
        remedy = "Find the file (File > External Data > Find Missing Files) or remove the tile."
        raise problems.Problem("bad_input", sentence, remedy) from error


@contextmanager
def _folder(tiles: Mapping[int, bytes], ending: str) -> Iterator[Path]:
    """For as long as it is needed, with a file for each tile."""
    folder = Path(tempfile.mkdtemp(prefix="selfrect-", dir=bpy.app.tempdir))
    try:
        for number, file in tiles.items():
            (folder / f"tile.{number}{ending}").write_bytes(file)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _written(image: bpy.types.Image) -> Iterator[Path]:
    """A folder with the tiles of a painted image as files; Blender's own saving forgets that the image was painted, and is reminded."""
    path, kind, ending = image.filepath_raw, image.file_format, ending_of(image)
    flat = np.empty(image.size[0] * image.size[1] * image.channels, np.float32)
    image.pixels.foreach_get(flat)
    with _folder({}, ending) as folder:
        image.file_format = "OPEN_EXR" if ending == ".exr" else "PNG"
        try:
            with bpy.context.temp_override(edit_image=image):
                bpy.ops.image.save_as(filepath=str(folder / f"tile.{_TOKEN}{ending}"), copy=True)
        finally:
            image.filepath_raw, image.file_format = path, kind
            image.pixels.foreach_set(flat)
        yield folder
