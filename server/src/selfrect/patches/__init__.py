# SPDX-License-Identifier: GPL-3.0-or-later
"""Texture by patches: every patch of the picture is one of the reference's (Kwatra et al. 2005; Barnes et al. 2009).

`synthesis` tells the whole of what is `given`; `turns` finds how the placed pieces were turned, `sources` are the references in these
poses, `start` lets pieces go on around themselves and lays out the rest in blocks, `seams` cuts them where they agree. At each `level`,
coarse to fine, `nearest` and `vote` alternate; `usage` keeps places from being used too often, `leaning` says which reference and which
pose is wanted where. `joining` spreads what steps are left. `correspondence` says which place of a reference each pixel came from;
`field` finds that for any finished picture, with `coherence` (whole pieces) and `subpixel`.
"""
