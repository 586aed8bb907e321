# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist and the script see: properties, panels, operators, preferences and the command of `blender --command`."""
