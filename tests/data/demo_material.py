# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job on a material with all its maps, from the built zip, through Blender without a window; one sheet of what came of it.

    .venv-bpy-4.5/bin/python tests/data/demo_material.py --zip out/selfrect_blender.zip --engine .venv --output out/material

Draws the copper scales and a rough target, rectifies the base colour with all maps into the material, renders before and after, and
leaves sheet.png: the rough target; above the reference, below the result: base colour, normal, occlusion-roughness-metal, height, render.
Further options go to the command.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from demo import demonstrate

SHOWN = 256  # pixels of each picture on the sheet


def main() -> None:
    output = demonstrate(__doc__.splitlines()[0], 512, make_sheet)
    print(f"{output / 'sheet.png'} is there.")


def make_sheet(rectify, output: Path, engine: Path, size: int, more: list[str]) -> None:
    """Draws, rectifies, renders, puts the sheet together."""
    import bpy
    from board_scene import render
    from draw_example import bent_board, rough_target, save_png
    from draw_material import draw_material
    from material_scene import MATERIAL, make_material_scene

    reference = draw_material(size)
    target = rough_target(reference["base_color"], bent_board())
    scene = make_material_scene(reference, target)
    render(scene, output / "before.png")
    words = ["--reference", "copper", "--target", "copper rough", "--material", MATERIAL, "--engine", str(engine)]
    report = output / "report.json"
    status = rectify(["rectify", *words, "--save", str(output / "material.blend"), "--report", str(report), *more])
    if status:
        raise SystemExit(status)
    render(scene, output / "after.png")
    told = json.loads(report.read_text())
    made = {name: pixels(bpy.data.images[each["image"]]) for name, each in told["maps"].items()}
    result = pixels(bpy.data.images[told["result"]])
    before, after = (pixels(bpy.data.images.load(str(output / f"{name}.png"))) for name in ("before", "after"))
    above = [reference["base_color"], reference["normal"], reference["orm"], reference["height"], before]
    below = [result, made["normal"], made["orm"], made["height"], after]
    save_png(_sheet(target, above, below), output / "sheet.png")


def pixels(image) -> np.ndarray:
    """(H, W, 3), top row first: sRGB, or data as it is."""
    flat = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(flat)
    picture = flat.reshape(image.size[1], image.size[0], image.channels)[::-1, :, :3]
    if image.is_float and not image.colorspace_settings.is_data:
        picture = np.where(picture <= 0.0031308, picture * 12.92, 1.055 * np.maximum(picture, 0.0031308) ** (1 / 2.4) - 0.055)
    return np.ascontiguousarray(picture, np.float32)


def _sheet(target: np.ndarray, above: list[np.ndarray], below: list[np.ndarray]) -> np.ndarray:
    """Two rows, and the target at half their height to the left."""
    rows = np.concatenate([np.concatenate([_shown(picture) for picture in row], axis=1) for row in (above, below)])
    first = _shown(target)
    room = len(rows) - len(first)
    return np.concatenate([np.pad(first, ((room // 2, room - room // 2), (0, 0), (0, 0)), constant_values=1), rows], axis=1)


def _shown(picture: np.ndarray) -> np.ndarray:
    """(SHOWN, SHOWN + 4, 3) on white: pixels averaged or, where there are too few, the nearest; a wide picture is cut at its sides."""
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    if picture.shape[2] == 4:
        picture = picture[..., :3] * picture[..., 3:] + 1 - picture[..., 3:]
    height, width = picture.shape[:2]
    side = min(height, width)
    picture = picture[(height - side) // 2 :, (width - side) // 2 :][:side, :side]
    finer = picture[np.arange(SHOWN * 4) * side // (SHOWN * 4)][:, np.arange(SHOWN * 4) * side // (SHOWN * 4)]
    small = np.clip(finer.reshape(SHOWN, 4, SHOWN, 4, 3).mean((1, 3)), 0, 1)
    return np.pad(small, ((0, 4), (0, 4), (0, 0)), constant_values=1)


if __name__ == "__main__":
    main()
