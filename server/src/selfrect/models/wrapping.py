# SPDX-License-Identifier: GPL-3.0-or-later
"""Convolutions that go around the edges of a picture, so that what they make tiles: circular padding along x, y or both.

Attention knows no places and normalisation takes the picture as a whole, so convolutions are all that has to change.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from diffusers.models.downsampling import Downsample2D

_NAME = "selfrect_wrapping"


class Wrapping:
    """The switch of one network. Off at first, and outside of `along`: the reference, which does not tile, is never wrapped."""

    def __init__(self) -> None:
        self.x = self.y = False

    @contextmanager
    def along(self, x: bool, y: bool) -> Iterator[None]:
        """Within it the network's convolutions go around along these axes."""
        before = self.x, self.y
        self.x, self.y = x, y
        try:
            yield
        finally:
            self.x, self.y = before


def wrapping_of(network: torch.nn.Module) -> Wrapping:
    """The network's switch; its convolutions are taught to look at it when it is asked for first."""
    wrapping = getattr(network, _NAME, None)
    if wrapping is None:
        wrapping = Wrapping()
        one_sided = {id(part.conv) for part in network.modules() if isinstance(part, Downsample2D) and part.padding == 0}
        for part in network.modules():
            if isinstance(part, torch.nn.Conv2d) and max(part.kernel_size) > 1:
                part.forward = _OneSided(part, wrapping) if id(part) in one_sided else _Wrapped(part, wrapping)
        object.__setattr__(network, _NAME, wrapping)  # no part of the network: not to be saved, moved or listed with it
    return wrapping


class _Wrapped:
    """The forward of a convolution that pads on all sides."""

    def __init__(self, conv: torch.nn.Conv2d, wrapping: Wrapping):
        self._conv, self._wrapping = conv, wrapping

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        conv, wrapping = self._conv, self._wrapping
        if not (wrapping.x or wrapping.y):
            return conv._conv_forward(x, conv.weight, conv.bias)
        down, across = conv.padding
        x = F.pad(x, (across, across, 0, 0), "circular" if wrapping.x else "constant")
        x = F.pad(x, (0, 0, down, down), "circular" if wrapping.y else "constant")
        return F.conv2d(x, conv.weight, conv.bias, conv.stride, 0, conv.dilation, conv.groups)


class _OneSided(_Wrapped):
    """That of an autoencoder's downsampling, which is handed a picture with a row and a column of zeros after the last ones."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        conv, wrapping = self._conv, self._wrapping
        if wrapping.x or wrapping.y:
            x = x.clone()
        if wrapping.x:
            x[..., -1] = x[..., 0]
        if wrapping.y:
            x[..., -1, :] = x[..., 0, :]
        return conv._conv_forward(x, conv.weight, conv.bias)
