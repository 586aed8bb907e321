# SPDX-License-Identifier: GPL-3.0-or-later
# Strokes and flat patches of colour: their places are kept, their look is replaced.
import bpy

choices = bpy.context.scene.selfrect
settings = bpy.context.scene.selfrect_settings

choices.structure = 0.65
choices.detail = 0.85
