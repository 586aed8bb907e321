# SPDX-License-Identifier: GPL-3.0-or-later
"""Stable Diffusion's codec in tiles, with the same result as in one piece.

A group normalisation takes its mean and variance from the whole picture; tiles with statistics of their own, or guessed
ones, are what shifts colours from tile to tile. Here each level of resolution is walked through as often as it has
normalisations: a walk takes every tile as far as the first normalisation whose statistics are not known yet, gathers them
over all tiles, and stops there. What stands between the levels waits in RAM. Convolutions see a margin around their tile
as wide as they reach, so that nothing is approximate; the price is computing a level several times over. The margin of a
picture that goes around (wrap: x, y) lies on its opposite side; what is done in one piece is left to `wrapping`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from diffusers import AutoencoderKL

from .wrapping import wrapping_of

Wrap = tuple[bool, bool]
OFF: Wrap = (False, False)


class _Enough(Exception):
    """The tile has reached what this walk is for."""


@dataclass
class Level:
    """Layers of one resolution, in order. Before them the picture may be doubled, after them halved, by layers of their own."""

    layers: list[torch.nn.Module]
    doubles: bool = False
    halves: bool = False

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x, temb=None) if _is_resnet(layer) else layer(x)
        return x

    @property
    def halo(self) -> int:
        """How far a value of the result reaches into its surroundings: one pixel for each 3 × 3 convolution, made even."""
        convolutions = [m for layer in self.layers for m in layer.modules() if isinstance(m, torch.nn.Conv2d)]
        reach = sum(max(m.kernel_size) // 2 for m in convolutions)
        return reach + reach % 2

    def norms(self) -> list[torch.nn.GroupNorm]:
        return [m for layer in self.layers for m in layer.modules() if isinstance(m, torch.nn.GroupNorm)]


@dataclass
class _Statistics:
    """Mean and variance of each group over pieces that come one after the other, in float64 (Chan, Golub, LeVeque 1979)."""

    count: int = 0
    mean: torch.Tensor | float = 0.0
    squares: torch.Tensor | float = 0.0

    def add(self, x: torch.Tensor, groups: int) -> None:
        """x: (B, C, h, w)"""
        flat = x.unflatten(1, (groups, -1)).flatten(2).double()
        n, mean = flat.shape[2], flat.mean(2)
        squares = (flat - mean[..., None]).square().sum(2)
        apart, total = mean - self.mean, self.count + n
        self.squares = self.squares + squares + apart**2 * self.count * n / total
        self.mean = self.mean + apart * n / total
        self.count = total

    def apply(self, norm: torch.nn.GroupNorm, x: torch.Tensor) -> torch.Tensor:
        repeat = norm.num_channels // norm.num_groups
        gain = (self.squares / self.count + norm.eps).rsqrt().repeat_interleave(repeat, 1) * norm.weight
        shift = norm.bias - self.mean.repeat_interleave(repeat, 1) * gain
        return torch.addcmul(shift.to(x)[..., None, None], x, gain.to(x)[..., None, None])


@dataclass
class _Walk:
    """What is known of a level's normalisations; while it is entered, they ask here instead of their own tile."""

    level: Level
    known: dict[torch.nn.GroupNorm, _Statistics] = field(default_factory=dict)
    gathering: tuple[torch.nn.GroupNorm, _Statistics] | None = None
    core: tuple[slice, slice] = (slice(None), slice(None))

    def __enter__(self) -> _Walk:
        for norm in self.level.norms():
            norm.forward = lambda x, norm=norm: self._normalise(norm, x)
        return self

    def __exit__(self, *_: object) -> None:
        for norm in self.level.norms():
            del norm.forward

    def next(self) -> bool:
        """End a walk; whether it was the last one."""
        if self.gathering is None:
            return True
        norm, statistics = self.gathering
        self.known[norm], self.gathering = statistics, None
        return False

    def _normalise(self, norm: torch.nn.GroupNorm, x: torch.Tensor) -> torch.Tensor:
        if norm in self.known:
            return self.known[norm].apply(norm, x)
        if self.gathering is None:
            self.gathering = (norm, _Statistics())
        self.gathering[1].add(x[..., self.core[0], self.core[1]], norm.num_groups)
        raise _Enough


def encode(vae: AutoencoderKL, x: torch.Tensor, tile: int, device: torch.device, wrap: Wrap = OFF) -> torch.Tensor:
    """As `vae.encode(x).latent_dist.mode()`, x (B, 3, H, W); levels in tiles of tile × tile pixels, the last one in one piece."""
    encoder = vae.encoder
    *blocks, last = encoder.down_blocks
    for number, block in enumerate(blocks):
        first = [encoder.conv_in] if number == 0 else []
        level = Level([*first, *block.resnets, *block.downsamplers], halves=True)
        x = _tiled(vae, level, x, tile, device, wrap)
    x = encoder.mid_block(last(x.to(device)))
    x = encoder.conv_out(encoder.conv_act(encoder.conv_norm_out(x)))
    x = x if vae.quant_conv is None else vae.quant_conv(x)
    return x.chunk(2, 1)[0]


def decode(vae: AutoencoderKL, z: torch.Tensor, tile: int, device: torch.device, wrap: Wrap = OFF) -> torch.Tensor:
    """As `vae.decode(z).sample`, z (B, C, h, w); the first level in one piece, the others in tiles of tile × tile pixels."""
    decoder, blocks = vae.decoder, list(vae.decoder.up_blocks)
    z = z.to(device)
    x = z if vae.post_quant_conv is None else vae.post_quant_conv(z)
    x = Level(list(blocks[0].resnets))(decoder.mid_block(decoder.conv_in(x)))
    for before, block in itertools.pairwise(blocks):
        last = [decoder.conv_norm_out, decoder.conv_act, decoder.conv_out] if block is blocks[-1] else []
        level = Level([*before.upsamplers, *block.resnets, *last], doubles=True)
        x = _tiled(vae, level, x, tile, device, wrap)
    return x.to(device)


def _tiled(vae: AutoencoderKL, level: Level, x: torch.Tensor, tile: int, device: torch.device, wrap: Wrap) -> torch.Tensor:
    """The level's result on x (B, C, H, W); both lie in RAM, only one tile at a time is on the device."""
    x = x.to("cpu")
    height, width = (side * 2 if level.doubles else side for side in x.shape[2:])
    out = None
    with _Walk(level) as walk, wrapping_of(vae).along(False, False) if any(wrap) else nullcontext():
        while True:
            for core, window in _tiles(height, width, tile, level.halo, wrap):
                walk.core = tuple(slice(c.start - w.start, c.stop - w.start) for c, w in zip(core, window, strict=True))
                piece = _cut(x, _scaled(window, 0.5 if level.doubles else 1)).to(device)
                done = _until_enough(level, piece)
                if done is not None:
                    factor = 0.5 if level.halves else 1
                    done = done[(..., *_scaled(walk.core, factor))]
                    if out is None:
                        out = done.new_empty(*done.shape[:2], int(height * factor), int(width * factor), device="cpu")
                    out[(..., *_scaled(core, factor))] = done.to("cpu")
            if walk.next():
                return out


def _until_enough(level: Callable[[torch.Tensor], torch.Tensor], piece: torch.Tensor) -> torch.Tensor | None:
    try:
        return level(piece)
    except _Enough:
        return None


def _tiles(height: int, width: int, tile: int, halo: int, wrap: Wrap) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """(core, window) of each tile: the cores cover the picture without overlap, a window is its core with the margin around it."""
    for rows in _spans(height, tile, halo, wrap[1]):
        for columns in _spans(width, tile, halo, wrap[0]):
            yield tuple(zip(rows, columns, strict=True))


def _spans(size: int, tile: int, halo: int, around: bool) -> Iterator[tuple[slice, slice]]:
    for start in range(0, size, tile):
        stop = min(start + tile, size)
        window = slice(start - halo, stop + halo)
        yield slice(start, stop), window if around else slice(max(window.start, 0), min(window.stop, size))


def _cut(x: torch.Tensor, place: tuple[slice, slice]) -> torch.Tensor:
    """The window of x (B, C, H, W); where it reaches over an edge it comes back at the opposite one."""
    for axis, span in zip((2, 3), place, strict=True):
        inside = span.start >= 0 and span.stop <= x.shape[axis]
        x = x.narrow(axis, span.start, span.stop - span.start) if inside else x.index_select(axis, _places(span, x.shape[axis]))
    return x


def _places(span: slice, size: int) -> torch.Tensor:
    return torch.arange(span.start, span.stop) % size


def _scaled(place: tuple[slice, slice], factor: float) -> tuple[slice, slice]:
    """Place of the same pixels in a picture `factor` times as large; tiles and margins are even, so that it is exact."""
    return tuple(slice(int(s.start * factor), int(s.stop * factor)) for s in place)


def _is_resnet(layer: torch.nn.Module) -> bool:
    return hasattr(layer, "conv_shortcut")
