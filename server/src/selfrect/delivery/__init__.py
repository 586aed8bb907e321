# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to every engine's picture before it is handed out: here it is told, in the order in which it happens.

`colour` (a drift undone) · `region` (outside the mask nothing changes) · `following` (maps, true pixels, estimates, edges that meet) ·
`light` (what is brighter than white, which no engine sees).
Whatever runs an engine does it through `delivered`: the registry for command line and server, `selfrect.rectify` for Python. Nothing
here needs PyTorch before there is something to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine import Report, Request, Result
from . import colour, light, region, tiling

STAGE = "finish"


def delivered(request: Request, settings: Any, report: Report, make: Callable[[Request], Result]) -> Result:
    """Let an engine make what is asked for, and deliver it. make: the engine; it is given pictures within [0, 1].

    settings: the engine's own, checked. Raises what the engine raises, and Problem cancelled where `report` does.
    """
    return deliver(request, make(light.within(request)), settings, report)


def deliver(request: Request, result: Result, settings: Any, report: Report) -> Result:
    """The engine's result as it is handed out. request: as it came in, unclipped; result: of what `light.within` made of it."""
    report(STAGE, 1, 1, None, 1.0)
    wrap, plain = (settings.tile_x, settings.tile_y), light.within(request)
    drawn = result

    def coloured(alike: np.ndarray | None = None) -> np.ndarray:
        return region.placed(colour.matched(plain, drawn, settings, alike), plain, wrap)

    result = replace(drawn, image=coloured())
    if _something_follows(plain, settings):
        from .following import follow

        result = follow(plain, result, settings, report, coloured if colour.needed(drawn, settings) else None)
    picture = light.restored(result.image, request, result.maps.get(light.NAME))
    if any(wrap) and picture is not result.image:  # the target's own light need not meet
        picture, _ = tiling.met(picture, wrap, tiling.within_its_range(picture))
    picture = region.composed(picture, request, wrap)  # once more: what followed may have moved the border
    report(STAGE, 1, 1, None, 1.0)
    return light.forgotten(replace(result, image=region.with_alpha(picture, request)))


def _something_follows(request: Request, settings: Any) -> bool:
    return needs_correspondence(request, settings) or settings.estimate != "none" or settings.tile_x or settings.tile_y


def needs_correspondence(request: Request, settings: Any) -> bool:
    """Whether `Result.correspondence` will be used: engines that do not have it by the way compute it only then.

    request: as the engine has it, see `light.within`.
    """
    return bool(request.maps) or settings.true_pixels > 0
