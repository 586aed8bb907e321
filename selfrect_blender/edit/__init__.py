# SPDX-License-Identifier: GPL-3.0-or-later
"""Editing pictures: patches, strokes, grids, whole pictures. numpy only, no bpy; the scene's rooms call it with arrays.

Arrays are (H, W, 4) float32 as Blender's buffers have them: **bottom row first**. Places are in pixels, x to the right and
y upwards, (0, 0) the lower left corner of the picture; the middle of the first pixel is (0.5, 0.5). Angles are radians,
counter-clockwise. Unless a function says otherwise, colour is premultiplied with alpha. Colour may be above 1; alpha is in [0, 1].
"""
