# SPDX-License-Identifier: GPL-3.0-or-later
"""Image ⇄ latent. Stable Diffusion's autoencoder, or plain pixel patches for a network that works on pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from .. import system_memory
from . import codec_tiles
from .rough import Rough
from .wrapping import wrapping_of

MANY_PIXELS = 256 * 256  # below, what the codec takes is not worth tidying up for


class Codec(Protocol):
    """factor: image pixels per latent pixel, in each direction. Both ways float32, batch first."""

    factor: int

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [−1, 1] → (B, C, H / factor, W / factor)."""

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """The way back; values may leave [−1, 1] a little."""

    def preview(self, z: torch.Tensor) -> torch.Tensor:
        """A rough picture (B, 3, h', w') in [−1, 1] at next to no cost, of any size; for a latent that is no noise."""

    def tiled(self, tile: int) -> Any:
        """A context within which both ways go in tiles of tile × tile image pixels, with the same result in less memory."""

    def along(self, x: bool, y: bool) -> Any:
        """A context within which pictures go around along these axes: what is beyond an edge is the opposite one."""


class AutoencoderCodec:
    """AutoencoderKL: the mean of the posterior × scaling factor. In float32: SDXL's overflows in float16."""

    def __init__(self, vae: AutoencoderKL, device: torch.device):
        self.vae = vae.to(device=device, memory_format=torch.channels_last).eval().requires_grad_(False)
        for weights in self.vae.parameters():  # a few that are still the file's own pages would hold all of them in memory
            weights.data = weights.data.clone(memory_format=torch.preserve_format)
        for part in self.vae.modules():  # what they get is a normalisation's result and nobody else's; a large tensor less
            if isinstance(part, torch.nn.SiLU):
                part.inplace = True
        self.device = device
        self.factor = 2 ** (len(vae.config.block_out_channels) - 1)
        self._tile: int | None = None
        self._wrap = (False, False)
        self._rough = Rough()

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        with self._around():
            self._make_room(x.shape[2] * x.shape[3])
            if self._tile and max(x.shape[2:]) > self._tile:
                z = codec_tiles.encode(self.vae, x, self._tile, self.device, self._wrap)
            else:
                z = self.vae.encode(x.to(self.device)).latent_dist.mode()
        z = z * self.vae.config.scaling_factor
        self._rough.see(x, z)
        return z

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        z = z / self.vae.config.scaling_factor
        with self._around():
            self._make_room(z.shape[2] * z.shape[3] * self.factor**2)
            if self._tile and max(z.shape[2:]) * self.factor > self._tile:
                return codec_tiles.decode(self.vae, z, self._tile, self.device, self._wrap)
            return self.vae.decode(z).sample

    def preview(self, z: torch.Tensor) -> torch.Tensor:
        return self._rough(z)

    @contextmanager
    def tiled(self, tile: int) -> Iterator[None]:
        before, self._tile = self._tile, tile
        try:
            yield
        finally:
            self._tile = before

    @contextmanager
    def along(self, x: bool, y: bool) -> Iterator[None]:
        before, self._wrap = self._wrap, (x, y)
        try:
            yield
        finally:
            self._wrap = before

    def _make_room(self, pixels: int) -> None:
        """What the network left behind of a processor's memory, up to 0.3 GB, goes back before the codec takes its own."""
        if self.device.type == "cpu" and pixels >= MANY_PIXELS:
            system_memory.give_back()

    def _around(self) -> Any:
        return wrapping_of(self.vae).along(*self._wrap) if any(self._wrap) else nullcontext()


class PatchCodec:
    """No network at all: `factor` × `factor` pixels become the channels of one latent pixel."""

    def __init__(self, factor: int, device: torch.device):
        self.factor, self.device = factor, device

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return F.pixel_unshuffle(x.to(self.device), self.factor)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return F.pixel_shuffle(z, self.factor)

    def preview(self, z: torch.Tensor) -> torch.Tensor:
        """Not rough at all: decoding costs nothing here."""
        return self.decode(z).clamp(-1, 1)

    def tiled(self, tile: int) -> Any:
        return nullcontext()

    def along(self, x: bool, y: bool) -> Any:
        """Nothing here looks beyond its own patch."""
        return nullcontext()
