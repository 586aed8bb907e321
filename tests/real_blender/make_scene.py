# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by Blender: saves the example's scene.  blender -b --factory-startup --python make_scene.py -- FOLDER SIZE

Writes FOLDER/reference.png, FOLDER/target.png and FOLDER/scene.blend, which names both pictures.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

sys.path.append(str(Path(__file__).parents[1] / "data"))
from board_scene import make_board_scene
from draw_example import draw_example

folder, size = Path(sys.argv[-2]), int(sys.argv[-1])
make_board_scene(*draw_example(folder, size))
bpy.ops.wm.save_as_mainfile(filepath=str(folder / "scene.blend"))
