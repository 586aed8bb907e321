# SPDX-License-Identifier: GPL-3.0-or-later
"""How large a picture may be for patches and fields to be searched in it. No PyTorch: plans want to know it, too."""

SEARCHED = 1280 * 1280  # px: at larger sizes what was found is only enlarged, so that memory and time stay bounded
