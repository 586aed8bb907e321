# SPDX-License-Identifier: GPL-3.0-or-later
"""Make cases for `evaluate_cases.py` out of any pictures: pieces of each are cut out, turned and laid on its own shuffled pixels.

python server/recipes/rough_cases.py FOLDER OUTPUT [--count 14] [--seed 0] [--side 512]

The pictures' licences are yours to mind; those that `procedural/render.py` draws have none but this project's. Equal seeds, equal cases.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

READ = {".png", ".jpg", ".jpeg", ".webp"}
FLAT = 18.0  # standard deviation, in 1/255, below which a picture shows too little to see a seam in
ANGLES = (0, 0, 90, None)  # degrees; None: any up to 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", type=int, default=14)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side", type=int, default=512, help="pixels")
    given = parser.parse_args()
    chance = random.Random(given.seed)
    files = sorted(file for file in given.folder.iterdir() if file.suffix.lower() in READ)
    chance.shuffle(files)
    made = 0
    for file in files:
        reference = square(Image.open(file).convert("RGB"), given.side)
        if made < given.count and np.asarray(reference).std() >= FLAT:
            write(given.output / file.stem, reference, *rough_target(reference, chance))
            made += 1
    print(f"{made} cases in {given.output}")


def square(picture: Image.Image, side: int) -> Image.Image:
    """The upper left square of a picture, brought to side²."""
    edge = min(picture.size)
    return picture.crop((0, 0, edge, edge)).resize((side, side), Image.Resampling.LANCZOS)


def rough_target(reference: Image.Image, chance: random.Random) -> tuple[Image.Image, Image.Image]:
    """(target, mask): two to five pieces of the reference on its shuffled pixels; 255 where one lies."""
    target, mask = shuffled(reference, chance), Image.new("L", reference.size, 0)
    side = reference.width
    for _ in range(chance.randint(2, 5)):
        radius = chance.randint(side // 7, side * 3 // 10)
        x, y = (chance.randint(0, side - 2 * radius) for _ in "xy")
        piece, outline = reference.crop((x, y, x + 2 * radius, y + 2 * radius)), cut_out(radius, chance)
        angle = chance.choice(ANGLES)
        angle = chance.uniform(-60, 60) if angle is None else angle
        piece, outline = piece.rotate(angle, Image.Resampling.BICUBIC), outline.rotate(angle)
        place = tuple(chance.randint(-radius // 3, side - 2 * radius + radius // 3) for _ in "xy")
        target.paste(piece, place, outline)
        mask.paste(255, place, outline)
    return target, mask


def shuffled(picture: Image.Image, chance: random.Random) -> Image.Image:
    """All of its pixels, anywhere."""
    pixels = np.asarray(picture)
    order = np.random.default_rng(chance.getrandbits(32)).permutation(picture.width * picture.height)
    return Image.fromarray(pixels.reshape(-1, 3)[order].reshape(pixels.shape))


def cut_out(radius: int, chance: random.Random) -> Image.Image:
    """A polygon of twelve corners, within the circle of that radius (turning it cuts nothing off), as lasso and hand would make it."""
    corners = []
    for k in range(12):
        reach = radius * chance.uniform(0.6, 1.0)
        corners.append((radius + reach * np.cos(k * np.pi / 6), radius + reach * np.sin(k * np.pi / 6)))
    outline = Image.new("L", (2 * radius, 2 * radius), 0)
    ImageDraw.Draw(outline).polygon(corners, fill=255)
    return outline


def write(folder: Path, reference: Image.Image, target: Image.Image, mask: Image.Image) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in {"ref": reference, "target-1": target, "target-1.mask": mask}.items():
        picture.save(folder / f"{name}.png")


if __name__ == "__main__":
    main()
