# SPDX-License-Identifier: GPL-3.0-or-later
# Scales, pebbles, cracks: cells may move a little so that they close up where pieces meet.
import bpy

choices = bpy.context.scene.selfrect
settings = bpy.context.scene.selfrect_settings

choices.structure = 0.35
choices.detail = 0.6
