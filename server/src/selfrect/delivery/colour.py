# SPDX-License-Identifier: GPL-3.0-or-later
"""The network's drift of colour is undone; what was drawn of the references' own pixels has none."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..colour_match import match_colours
from ..engine import Request, Result


def needed(result: Result, settings: Any) -> bool:
    """Whether there may be a drift that is to be undone."""
    return settings.colour_match > 0 and not drawn_of_pixels(result)


def matched(request: Request, result: Result, settings: Any, alike: np.ndarray | None = None) -> np.ndarray:
    """The result's picture in the references' colours, (H, W, 3) float32 in [0, 1]; the very same where there is nothing to do.

    alike: what the references show where its places are like them, see `match_colours`.
    """
    if not needed(result, settings):
        return result.image
    tile = settings.tile_x, settings.tile_y
    picture = match_colours(result.image, request.references, settings.colour_match, tile, request.target, alike)
    return np.clip(picture, 0, 1, out=picture)


def drawn_of_pixels(result: Result) -> bool:
    """Whether the last step was by patches."""
    return result.record.get("patches", {}).get("mode", "off") != "off"
