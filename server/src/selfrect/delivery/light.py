# SPDX-License-Identifier: GPL-3.0-or-later
"""Light brighter than white, and colours outside sRGB: engines see pictures within [0, 1]; what was cut off is put back afterwards.

The cut-off part of a reference follows the picture as any other map of it does. Where the target was not touched, its own is kept.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..engine import Request

NAME = "light outside 0 and 1"  # of the map by which an engine is told that this has to follow
_NEAR = 0.2  # to 0 or 1, in display values, is a result that may go on beyond it
_SAME = 1 / 32  # difference of display values up to which a place is the target's, surely; twice that: surely not


def within(request: Request) -> Request:
    """The request as engines take it: pictures in [0, 1], and among the maps what was cut off, if anything was."""
    references, target = [_cut(image) for image in request.references], _cut(request.target)
    if all(cut is image for cut, image in zip([*references, target], [*request.references, request.target], strict=True)):
        return request
    maps = {**request.maps, NAME: [_beyond(image) for image in request.references]}
    return replace(request, references=references, target=target, maps=maps)


def restored(picture: np.ndarray, request: Request, correspondence: Any) -> np.ndarray:
    """The picture (H, W, 3), drawn after `within(request)`, with what belongs beyond 0 and 1. request: as it came in."""
    target, references = _beyond(request.target), [_beyond(image) for image in request.references]
    if not (target.any() or any(beyond.any() for beyond in references)):
        return picture
    carried = _carried(references, correspondence, picture) if correspondence is not None else np.zeros_like(picture)
    if target.shape[:2] != picture.shape[:2]:  # rebuilt larger than the target: its places are not this picture's
        return picture + carried
    kept = _untouched(picture, request.target)
    return picture + kept * target + (1 - kept) * carried


def _cut(image: np.ndarray) -> np.ndarray:
    return image if image.min() >= 0 and image.max() <= 1 else np.clip(image, 0, 1)


def _beyond(image: np.ndarray) -> np.ndarray:
    colours = image[..., :3]
    return colours - np.clip(colours, 0, 1)


def _carried(references: list[np.ndarray], correspondence: Any, picture: np.ndarray) -> np.ndarray:
    import torch

    from ..patches.correspondence import carry

    maps = [torch.from_numpy(np.ascontiguousarray(beyond.transpose(2, 0, 1))) for beyond in references]
    light = carry(maps, correspondence, picture.shape[:2]).permute(1, 2, 0).numpy()
    room = np.where(light > 0, 1 - picture, picture)  # how far the picture is from where the light begins
    return light * np.clip(1 - room / _NEAR, 0, 1)


def _untouched(picture: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(H, W, 1) in [0, 1]: where the result is what the target was."""
    apart = np.abs(picture - np.clip(target[..., :3], 0, 1)).max(-1, keepdims=True)
    same = np.clip(2 - apart / _SAME, 0, 1)
    return same * np.clip(target[..., 3:], 0, 1) if target.shape[2] == 4 else same
