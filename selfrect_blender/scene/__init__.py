# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading from and writing to the .blend: images, targets, materials and their node graphs. Main thread only."""
