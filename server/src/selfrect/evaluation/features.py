# SPDX-License-Identifier: GPL-3.0-or-later
"""What textures are compared by: the feature maps of VGG19 where its weights are at hand, else patches of the picture's pyramid.

VGG19's weights are not ours to ship: `server/recipes/vgg19.py` fetches them into the models folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F

from ..models.store import models_folder

#: convolutions a block; a map is taken after the first one of each of the first four, as Gatys et al. 2015 do
_BLOCKS = (2, 2, 4, 4)
_PATCH = 5  # px, the side of the patches that stand in for feature maps
_LEVELS = 4


def vgg19_file() -> Path:
    """Where the weights of VGG19 are looked for."""
    return models_folder() / "vgg19.safetensors"


def features_at_hand() -> str:
    """ "vgg19" or "patches"."""
    return "vgg19" if vgg19_file().is_file() else "patches"


def maps(picture: torch.Tensor, kind: str) -> Iterator[torch.Tensor]:
    """Feature maps (C, h, w) of a picture (3, H, W) in [0, 1], fine to coarse. kind: as `features_at_hand` names it."""
    return _vgg19(picture) if kind == "vgg19" else _patches(picture)


def _vgg19(picture: torch.Tensor) -> Iterator[torch.Tensor]:
    from safetensors.torch import load_file

    weights = load_file(vgg19_file())
    x = F.conv2d(picture[None], weights["colour.weight"], weights["colour.bias"])
    for block, convolutions in enumerate(_BLOCKS, start=1):
        for number in range(1, convolutions + 1):
            name = f"conv{block}_{number}"
            x = F.relu(F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), weights[f"{name}.weight"], weights[f"{name}.bias"]))
            if number == 1:
                yield x[0]
            if number == 1 and block == len(_BLOCKS):
                return
        x = F.max_pool2d(x, 2, ceil_mode=True)


def _patches(picture: torch.Tensor) -> Iterator[torch.Tensor]:
    x = picture[None]
    for _ in range(_LEVELS):
        if min(x.shape[2:]) < 2 * _PATCH:
            return
        rows, columns = x.shape[2] - _PATCH + 1, x.shape[3] - _PATCH + 1
        yield F.unfold(x, _PATCH).reshape(-1, rows, columns)
        x = F.avg_pool2d(x, 2)
