# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures of a result: one file each, all of them functions of pictures (H, W, 3) float32 in [0, 1], display-referred sRGB.

They are here to compare runs of the same case with each other. None of them replaces a look at the picture.
"""
