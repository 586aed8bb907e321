# SPDX-License-Identifier: GPL-3.0-or-later
"""Image ⇄ latent. Stable Diffusion's autoencoder, or plain pixel patches for a network that works on pixels."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL


class Codec(Protocol):
    """factor: image pixels per latent pixel, in each direction. Both ways float32, batch first."""

    factor: int

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) in [−1, 1] → (B, C, H / factor, W / factor)."""

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """The way back; values may leave [−1, 1] a little."""


class AutoencoderCodec:
    """AutoencoderKL: the mean of the posterior × scaling factor. In float32: SDXL's overflows in float16."""

    def __init__(self, vae: AutoencoderKL, device: torch.device):
        self.vae = vae.to(device).eval().requires_grad_(False)
        self.device = device
        self.factor = 2 ** (len(vae.config.block_out_channels) - 1)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return self.vae.encode(x.to(self.device)).latent_dist.mode() * self.vae.config.scaling_factor

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return self.vae.decode(z / self.vae.config.scaling_factor).sample


class PatchCodec:
    """No network at all: `factor` × `factor` pixels become the channels of one latent pixel."""

    def __init__(self, factor: int, device: torch.device):
        self.factor, self.device = factor, device

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return F.pixel_unshuffle(x.to(self.device), self.factor)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return F.pixel_shuffle(z, self.factor)
