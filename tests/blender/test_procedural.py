# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that renders textures for training, in a process of its own, as it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np

SCRIPT = Path(__file__).parents[2] / "server" / "recipes" / "procedural" / "render.py"


def rendered(folder: Path, count: int) -> list[bytes]:
    command = [sys.executable, SCRIPT, folder, "--count", str(count), "--size", "48", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert f"all {count} are there" in done.stdout
    return [file.read_bytes() for file in sorted(folder.glob("drawn_*.png"))]


def pixels(file: Path) -> np.ndarray:
    image = bpy.data.images.load(str(file))
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    bpy.data.images.remove(image)
    return values.reshape(48, 48, 4)[..., :3]


def test_each_number_is_a_texture_of_its_own_and_what_is_there_is_left_alone(tmp_path):
    count = 14
    rendered(tmp_path, count)
    pictures = [pixels(tmp_path / f"drawn_{number:05d}.png") for number in range(count)]
    assert len({picture.tobytes() for picture in pictures}) == count
    flat = [number for number, picture in enumerate(pictures) if picture.std() < 0.01 or picture.mean() < 0.01]
    assert flat == []
    (tmp_path / "drawn_00000.png").write_bytes(b"mine")
    (tmp_path / "drawn_00001.png").unlink()
    assert rendered(tmp_path, 2)[0] == b"mine"
    np.testing.assert_array_equal(pixels(tmp_path / "drawn_00001.png"), pictures[1])
