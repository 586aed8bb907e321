# SPDX-License-Identifier: GPL-3.0-or-later
"""Texture by patches: every patch of the picture is one of the reference's (Kwatra et al. 2005; Barnes et al. 2009).

`synthesis` tells the whole; `turns` finds how the placed pieces were turned, `sources` are the references at these turns, `start`
lays out the background in blocks, `nearest` and `vote` alternate from coarse to fine, `usage` keeps places from being used too
often. `correspondence` says which place of a reference each pixel came from.
"""
