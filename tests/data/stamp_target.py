# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds a rough target by stamping, without a window: what an artist does with the tools of “Edit Target”, as a script.

    blender -b --python stamp_target.py -- REFERENCE OUTPUT.blend       (the extension has to be enabled)

The reference is repeated as background, its middle is erased, patches of it are laid around like the petals of a flower,
a strip of it is drawn as a wave, small pieces are scattered, and the whole is warped a little.
Places are pixels from the lower left corner.
"""

from __future__ import annotations

import math
import sys

import bpy

PETALS = 7


def build(reference: bpy.types.Image) -> bpy.types.Image:
    """The target; it is chosen in the scene's panel, as the reference is."""
    edit = bpy.ops.selfrect
    choices = bpy.context.scene.selfrect
    choices.reference = reference
    edit.new_target(mode="COPY")
    width, height = choices.target.size
    middle, side = (width / 2, height / 2), min(width, height)

    edit.erase(path=str([middle]), radius=side * 0.4, softness=0.1)
    petal = [(width * (0.5 + 0.1 * math.cos(a)), height * (0.5 + 0.2 * math.sin(a))) for a in (2 * math.pi * k / 24 for k in range(24))]
    for number in range(PETALS):
        angle = 2 * math.pi * number / PETALS
        place = (middle[0] + 0.22 * side * math.cos(angle), middle[1] + 0.22 * side * math.sin(angle))
        edit.stamp(polygon=str(petal), location=place, angle=angle - math.pi / 2, mirror_x=bool(number % 2), feather=2)

    wave = [(width * t / 20, height * (0.08 + 0.04 * math.sin(t))) for t in range(21)]
    edit.stroke(path=str(wave), strip_start=(0, height / 2), strip_end=(width, height / 2), strip_width=side / 12)
    edit.scatter(box=(0, 0, side // 12, side // 12), count=6, seed=1, gap=2)
    inner = [(0, 0)] * 5 + [(side * 0.02, 0), (0, side * 0.02)] + [(0, 0)] * 2 + [(side * -0.02, 0), (0, side * 0.02)] + [(0, 0)] * 5
    edit.warp(columns=4, rows=4, offsets=str(inner))
    return choices.target


def main(arguments: list[str]) -> None:
    """Reference and .blend from the command line."""
    picture, blend = arguments
    target = build(bpy.data.images.load(picture))
    bpy.ops.wm.save_as_mainfile(filepath=blend)
    print(f"“{target.name}” is in {blend}.")


if __name__ == "__main__":
    main(sys.argv[sys.argv.index("--") + 1 :])
