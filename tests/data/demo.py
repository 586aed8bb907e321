# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: the main job from the built zip, through Blender without a window.

Draws an example, installs the extension into a throw-away user folder, has the extension's own command rectify the target and apply
the result to a material, renders that, and leaves reference.png, target.png, result.png, render.png, material.blend and report.json.
Runs in a bpy module (4.5) with the engine in an environment of its own.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import tempfile
import time
from pathlib import Path

EXTENSION = "bl_ext.user_default.selfrect_blender"


def main() -> None:
    start = time.monotonic()
    output = demonstrate(__doc__.splitlines()[0], 256, make_material)
    print_summary(output, time.monotonic() - start)


def demonstrate(description: str, size: int, make) -> Path:
    """Let make(rectify, output, engine, size, more) work in a Blender that is used for nothing else → the folder of the pictures.

    rectify: the function behind `blender --command selfrect`. more: options of `selfrect rectify`. size: if none is given.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--zip", type=Path, required=True, help="the built extension")
    parser.add_argument("--engine", type=Path, required=True, help="the engine's Python environment")
    parser.add_argument("--output", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--size", type=int, default=size, help="pixels of the pictures' sides")
    arguments, more = parser.parse_known_args()
    output = arguments.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="selfrect-demo-") as user_folder:
        os.environ["BLENDER_USER_RESOURCES"] = user_folder  # read when bpy is imported
        make(install_extension(arguments.zip.resolve()), output, arguments.engine.resolve(), arguments.size, more)
    return output


def install_extension(zip_file: Path):
    """Installs and enables the extension as Blender does with a zip; returns the function behind `blender --command selfrect`."""
    import bpy

    bpy.ops.extensions.package_install_files(
        filepath=str(zip_file), repo="user_default", enable_on_install=False, overwrite=True
    )
    bpy.ops.preferences.addon_enable(module=EXTENSION)
    return importlib.import_module(EXTENSION + ".selfrect_blender.ui.cli").main


def make_material(rectify, output: Path, engine: Path, size: int, more: list[str]) -> None:
    """Draws the example, builds a scene around it, rectifies the target into its material, renders and saves."""
    import board_scene
    from draw_example import draw_example

    print("Drawing reference and rough target …", flush=True)
    reference, target = draw_example(output, size)
    scene = board_scene.make_board_scene(reference, target)
    print("Rectifying …", flush=True)
    options = {
        "reference": reference.name,  # pictures and materials of the file by their names, as an artist sees them
        "target": target.name,
        "material": board_scene.MATERIAL,
        "engine": engine,
        "output": output / "result.png",
        "save": output / "material.blend",
        "report": output / "report.json",
    }
    status = rectify(["rectify", *(word for name, value in options.items() for word in (f"--{name}", str(value))), *more])
    if status:
        raise SystemExit(status)
    print("Rendering …", flush=True)
    board_scene.render(scene, output / "render.png")


def print_summary(output: Path, seconds: float) -> None:
    report = json.loads((output / "report.json").read_text())
    print(f"\nDone in {seconds:.0f} s: engine {report['engine']}, {report['network_calls']} network calls.")
    for name in ("reference.png", "target.png", "result.png", "render.png", "material.blend", "report.json"):
        path = output / name
        if not path.stat().st_size:
            raise SystemExit(f"{path} is empty.")
        print(f"  {path}")


if __name__ == "__main__":
    main()
