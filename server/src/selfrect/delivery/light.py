# SPDX-License-Identifier: GPL-3.0-or-later
"""Light brighter than white, and colours outside sRGB: engines see pictures within [0, 1]; what was cut off is put back afterwards.

The cut-off part of a reference follows the picture as any other map of it does. Where the target was not touched, its own is kept.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..engine import Request, Result

NAME = "light outside 0 and 1"  # of the map by which an engine is told that this has to follow
_NEAR = 0.2  # to 0 or 1, in display values, is a result that may go on beyond it
_SAME = 1 / 32  # difference of display values up to which a place is the target's, surely; twice that: surely not


def within(request: Request) -> Request:
    """The request as engines take it: pictures in [0, 1], and among the maps what was cut off, if anything was."""
    references, target = [_cut(image) for image in request.references], _cut(request.target)
    if all(cut is image for cut, image in zip([*references, target], [*request.references, request.target], strict=True)):
        return request
    beyond = [_beyond(image) for image in request.references]
    maps = {**request.maps, NAME: beyond} if any(one.any() for one in beyond) else request.maps
    return replace(request, references=references, target=target, maps=maps)


def restored(picture: np.ndarray, request: Request, followed: np.ndarray | None) -> np.ndarray:
    """The picture (H, W, 3), drawn after `within(request)`, with what belongs beyond 0 and 1. request: as it came in.

    followed: the references' cut-off part as it followed the picture (H, W, 3), or None.
    """
    target = _beyond(request.target)
    if followed is None and not target.any():
        return picture
    kept = _untouched(picture, request.target)
    light = kept * target
    return picture + light if followed is None else picture + light + (1 - kept) * _where_it_fits(followed, picture)


def forgotten(result: Result) -> Result:
    """The result without the map that was only on its way."""
    if NAME not in result.maps:
        return result
    notes = {name: note for name, note in result.record.get("maps", {}).items() if name != NAME}
    record = {key: value for key, value in result.record.items() if key != "maps"} | ({"maps": notes} if notes else {})
    return replace(result, maps={name: array for name, array in result.maps.items() if name != NAME}, record=record)


def _cut(image: np.ndarray) -> np.ndarray:
    return image if image.min() >= 0 and image.max() <= 1 else np.clip(image, 0, 1)


def _beyond(image: np.ndarray) -> np.ndarray:
    colours = image[..., :3]
    return colours - np.clip(colours, 0, 1)


def _where_it_fits(light: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Less of it where the picture is far from where the light begins."""
    room = np.where(light > 0, 1 - picture, picture)
    return light * np.clip(1 - room / _NEAR, 0, 1)


def _untouched(picture: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(H, W, 1) in [0, 1]: where the result is what the target was."""
    apart = np.abs(picture - np.clip(target[..., :3], 0, 1)).max(-1, keepdims=True)
    same = np.clip(2 - apart / _SAME, 0, 1)
    return same * np.clip(target[..., 3:], 0, 1) if target.shape[2] == 4 else same
