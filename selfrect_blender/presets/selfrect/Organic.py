# SPDX-License-Identifier: GPL-3.0-or-later
# Moss, marble, rust: no line gives a shift away, so more of the reference may come in; turned and mirrored copies add variety.
import bpy

choices = bpy.context.scene.selfrect
settings = bpy.context.scene.selfrect_settings

choices.structure = 0.45
choices.detail = 0.65
settings.augment = 3
