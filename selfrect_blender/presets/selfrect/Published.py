# SPDX-License-Identifier: GPL-3.0-or-later
# The numbers of the paper: every setting at its default, which Blender has set before this file is read.
import bpy

choices = bpy.context.scene.selfrect
settings = bpy.context.scene.selfrect_settings

choices.structure = 0.5
choices.detail = 0.5
