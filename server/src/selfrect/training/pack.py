# SPDX-License-Identifier: GPL-3.0-or-later
"""All textures of a run in one file of a size that travels: a zip of square WebP pictures, those held out in a folder of their own.

`train/NAME.webp`, `held-out/NAME.webp`, and `pack.json`: side, quality, the two counts. A picture is brought to the side by its
shorter side and cut out of the middle; a smaller one is mirrored, since enlarging would teach the model to be soft.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from selfrect.training.data import is_held_out

QUALITIES = (95, 90, 85, 80, 75, 70, 65, 60, 55, 50)
TRAIN, HELD_OUT, ABOUT = "train", "held-out", "pack.json"
_TRIED = 24  # every so many pictures are enough to guess the size of all


def make(pictures: dict[str, Path], path: Path, side: int, megabytes: float, held_out: float, log: Callable = print) -> dict:
    """Pack picture files, by name, at the best quality that stays under so many MB; returns what pack.json says.

    Raises ValueError where none does, with what it would take.
    """
    if not pictures:
        raise ValueError("no textures to pack: fetch or render them first")
    limit, files = megabytes * 1e6, list(pictures.values())
    tried = files[::_TRIED]
    for quality in QUALITIES:
        guess = sum(map(len, _encoded(tried, side, quality))) / len(tried) * len(files)
        if guess > limit * 1.03:
            continue
        blobs = dict(zip(pictures, _encoded(files, side, quality), strict=True))
        if sum(len(blob) + 2 * len(name) + 150 for name, blob in blobs.items()) <= limit:
            return _write(path, blobs, {"side": side, "quality": quality}, held_out, log)
    raise ValueError(f"{len(files)} textures of {side}² take {guess / 1e6:.0f} MB at the least; allow more, or a smaller side")


def read(path: Path, device: torch.device | str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """The pictures to train on and those held out, (N, 3, S, S) uint8, in the order of their names."""
    with zipfile.ZipFile(path) as archive:
        side = json.loads(archive.read(ABOUT))["side"]
        names = sorted(archive.namelist())
        blobs = {folder: [archive.read(name) for name in names if name.startswith(f"{folder}/")] for folder in (TRAIN, HELD_OUT)}
    return tuple(_decoded(blobs[folder], side).to(device) for folder in (TRAIN, HELD_OUT))


def square(image: Image.Image, side: int) -> Image.Image:
    """The middle of a picture as (side, side) RGB."""
    image = image.convert("RGB")
    scale = side / min(image.size)
    if scale < 1:
        image = image.resize([max(side, round(edge * scale)) for edge in image.size], Image.Resampling.LANCZOS)
    pixels = np.asarray(image)
    while min(pixels.shape[:2]) < side:
        wider = [(0, min(edge, max(0, side - edge))) for edge in pixels.shape[:2]]
        pixels = np.pad(pixels, (*wider, (0, 0)), "symmetric")
    top, left = ((edge - side) // 2 for edge in pixels.shape[:2])
    return Image.fromarray(pixels[top : top + side, left : left + side])


def _encoded(pictures: list[Path], side: int, quality: int) -> list[bytes]:
    def encode(file: Path) -> bytes:
        blob = io.BytesIO()
        with Image.open(file) as image:
            square(image, side).save(blob, "WEBP", quality=quality, method=4)
        return blob.getvalue()

    with ThreadPoolExecutor() as pool:
        return list(pool.map(encode, pictures))


def _decoded(blobs: list[bytes], side: int) -> torch.Tensor:
    pictures = np.empty((len(blobs), side, side, 3), np.uint8)

    def decode(number: int) -> None:
        with Image.open(io.BytesIO(blobs[number])) as image:
            pictures[number] = np.asarray(image.convert("RGB"))

    with ThreadPoolExecutor() as pool:
        list(pool.map(decode, range(len(blobs))))
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()


def _write(path: Path, blobs: dict[str, bytes], about: dict, held_out: float, log: Callable) -> dict:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, counts = path.with_suffix(".part"), {TRAIN: 0, HELD_OUT: 0}
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:  # WebP is as small as it gets
        for name, blob in blobs.items():
            folder = HELD_OUT if is_held_out(name, held_out) else TRAIN
            archive.writestr(f"{folder}/{Path(name).stem}.webp", blob)
            counts[folder] += 1
        about |= counts
        archive.writestr(ABOUT, json.dumps(about))
    partial.replace(path)
    log(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {about}")
    return about
