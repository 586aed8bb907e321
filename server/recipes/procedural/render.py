# SPDX-License-Identifier: GPL-3.0-or-later
"""Render textures for training that nobody has a licence on, by Blender's own nodes; needs bpy, 4.2 or newer, as a module.

python server/recipes/procedural/render.py FOLDER [--count 800] [--size 256] [--seed 0] [--minutes 4]

Writes FOLDER/drawn_00000.png and so on. What is there already is left alone, so it can be stopped and started at any moment.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from random import Random

import bpy

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "tests" / "data")]  # for the nodes written as formulas

from drawing import draw  # noqa: E402

SAMPLES = 3  # for smooth edges: nothing here is left to chance but the place within a pixel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=800)
    parser.add_argument("--size", type=int, default=256, help="px")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=0.0, help="end after so long; 0: when all are there")
    parser.add_argument("--threads", type=int, default=0, help="0: all there are")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    missing = [n for n in range(given.count) if not picture(given.folder, n).exists()]
    scene, sun = studio(given.size, given.threads)
    began = time.monotonic()
    for made, number in enumerate(missing):
        if given.minutes and time.monotonic() - began > given.minutes * 60:
            return print(f"{len(missing) - made} of {given.count} are missing; the same command goes on", flush=True)
        render(scene, sun, number, given.seed, picture(given.folder, number))
    print(f"all {given.count} are there", flush=True)


def picture(folder: Path, number: int) -> Path:
    return folder / f"drawn_{number:05d}.png"


def studio(size: int, threads: int) -> tuple[bpy.types.Scene, bpy.types.Object]:
    """An empty scene: a plane from -1 to 1, a camera straight above it that keeps colours as they are, a sun."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    sun.data.angle = 0.0
    for thing in (scene.camera, sun):
        scene.collection.objects.link(thing)
    scene.camera.data.type, scene.camera.data.ortho_scale, scene.camera.location.z = "ORTHO", 2.0, 3.0
    bpy.ops.mesh.primitive_plane_add(size=2.2)
    bpy.context.object.data.materials.append(bpy.data.materials.new("Texture"))
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.max_bounces = SAMPLES, False, 0
    scene.cycles.use_adaptive_sampling = False
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.render.use_persistent_data = True
    if threads:
        scene.render.threads_mode, scene.render.threads = "FIXED", threads
    scene.view_settings.view_transform = "Standard"
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    return scene, sun


def render(scene: bpy.types.Scene, sun: bpy.types.Object, number: int, seed: int, path: Path) -> None:
    """One texture, into its file in one rename."""
    chance = Random(f"{seed}/{number}/sun")
    sun.rotation_euler = (chance.uniform(0.5, 1.1), 0.0, chance.uniform(0, 6.3))
    sun.data.energy = chance.uniform(2.0, 4.0)
    material = bpy.data.materials["Texture"]
    material.use_nodes = True
    material.node_tree.nodes.clear()
    draw(material.node_tree, number, seed)
    scene.render.filepath = str(path.with_suffix(".part.png"))
    bpy.ops.render.render(write_still=True)
    Path(scene.render.filepath).replace(path)


if __name__ == "__main__":
    main()
