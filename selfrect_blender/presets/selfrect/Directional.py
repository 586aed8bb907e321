# SPDX-License-Identifier: GPL-3.0-or-later
# Wood, brick, cloth: the direction of the grain is the layout, so it is held; a turned copy of the reference shows grain that runs across.
import bpy

choices = bpy.context.scene.selfrect
settings = bpy.context.scene.selfrect_settings

choices.structure = 0.6
choices.detail = 0.5
settings.augment = 1
