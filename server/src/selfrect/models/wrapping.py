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

from .packed import PackedConv

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
            if isinstance(part, (torch.nn.Conv2d, PackedConv)) and max(part.kernel_size) > 1:
                part.forward = (_OneSided if id(part) in one_sided else _Wrapped)(part, wrapping)
        object.__setattr__(network, _NAME, wrapping)  # no part of the network: not to be saved, moved or listed with it
    return wrapping


class _Wrapped:
    """The forward of a convolution that pads on all sides."""

    def __init__(self, conv: torch.nn.Conv2d | PackedConv, wrapping: Wrapping):
        self._conv, self._wrapping = conv, wrapping
        self._plain = conv.forward

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        wrapping = self._wrapping
        if not (wrapping.x or wrapping.y):
            return self._plain(x)
        down, across = self._conv.padding
        if wrapping.x:
            x, across = _around(x, across, -1), 0
        if wrapping.y:
            x, down = _around(x, down, -2), 0
        return _padded(self._conv, x, (down, across))


class _OneSided(_Wrapped):
    """That of an autoencoder's downsampling, which is handed a picture with a row and a column of zeros after the last ones."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        wrapping = self._wrapping
        if wrapping.x or wrapping.y:
            x = x.clone()
        if wrapping.x:
            x[..., -1] = x[..., 0]
        if wrapping.y:
            x[..., -1, :] = x[..., 0, :]
        return self._plain(x)


def _around(x: torch.Tensor, count: int, axis: int) -> torch.Tensor:
    """The last `count` lines before the first, the first ones after the last. Unlike F.pad it leaves the order in memory as it is."""
    length = x.shape[axis]
    if count == 0:
        return x
    return torch.cat([x.narrow(axis, length - count, count), x, x.narrow(axis, 0, count)], axis)


def _padded(conv: torch.nn.Conv2d | PackedConv, x: torch.Tensor, padding: tuple[int, int]) -> torch.Tensor:
    if isinstance(conv, PackedConv):
        return conv.padded(x, padding)
    return F.conv2d(x, conv.weight, conv.bias, conv.stride, padding, conv.dilation, conv.groups)
