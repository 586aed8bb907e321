# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's side of self-rectification.

`host/` speaks to the engine process and knows nothing of Blender; `scene/` reads from and writes to the .blend; `ui/`
holds panels and operators. Importing this package imports none of them.
"""
