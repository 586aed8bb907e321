# SPDX-License-Identifier: GPL-3.0-or-later
"""Run by Blender: tells what a saved file's material shows.  blender -b FILE --factory-startup --python read_scene.py -- OUT.json

Writes the facts about the image that feeds the material's Base Color: found from the file alone, without the extension.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import bpy
import numpy as np

nodes = bpy.data.materials["Board"].node_tree.nodes
shader = next(node for node in nodes if node.bl_idname == "ShaderNodeBsdfPrincipled")
image = shader.inputs["Base Color"].links[0].from_node.image
pixels = np.empty(len(image.pixels), np.float32)
image.pixels.foreach_get(pixels)
pixels = pixels.reshape(image.size[1], image.size[0], image.channels)
facts = {
    "name": image.name,
    "size": list(image.size),
    "float": image.is_float,
    "colour_space": image.colorspace_settings.name,
    "packed": image.packed_file is not None,
    "image_nodes": sum(node.bl_idname == "ShaderNodeTexImage" for node in nodes),
    "finite": bool(np.isfinite(pixels).all()),
    "mean": pixels[..., :3].mean(axis=(0, 1)).tolist(),
    "deviation": pixels[..., :3].std(axis=(0, 1)).tolist(),
}
Path(sys.argv[-1]).write_text(json.dumps(facts))
