# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to every engine's picture before it is handed out: here it is told, in the order in which it happens.

`colour` (a drift undone) · `light` (what is brighter than white, which no engine sees) · `region` (outside the mask nothing changes).
Whatever runs an engine does it through `delivered`: the registry for command line and server, `selfrect.rectify` for Python. Nothing
here needs PyTorch before there is something to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..engine import Report, Request, Result
from . import colour, light, region

STAGE = "finish"


def delivered(request: Request, settings: Any, report: Report, make: Callable[[Request], Result]) -> Result:
    """Let an engine make what is asked for, and deliver it. make: the engine; it is given pictures within [0, 1].

    settings: the engine's own, checked. Raises what the engine raises, and Problem cancelled where `report` does.
    """
    return deliver(request, make(light.within(request)), settings, report)


def deliver(request: Request, result: Result, settings: Any, report: Report) -> Result:
    """The engine's result as it is handed out. request: as it came in, unclipped."""
    report(STAGE, 1, 1, None, 1.0)
    wrap = settings.tile_x, settings.tile_y
    picture = colour.matched(request, result, settings)
    picture = light.restored(picture, request, result.correspondence)
    picture = region.composed(picture, request, wrap)
    return replace(result, image=picture)


def needs_correspondence(request: Request, settings: Any) -> bool:
    """Whether `Result.correspondence` will be used: engines that do not have it by the way compute it only then.

    request: as the engine has it, see `light.within`.
    """
    return bool(request.maps)
