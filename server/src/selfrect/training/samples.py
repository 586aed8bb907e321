# SPDX-License-Identifier: GPL-3.0-or-later
"""What the run has learnt so far: a sheet of pictures, and the loss on textures that it never saw."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image

from selfrect.training.losses import add_noise, v_loss
from selfrect.training.network import PATCH, predict

LEVELS = (10, 60, 200, 400, 600, 800, 950)  # timesteps at which the held-out loss is taken


@contextmanager
def averaged(network, average: dict[str, torch.Tensor]):
    """Run with the averaged weights, then put the trained ones back."""
    own = {name: weight.detach().clone() for name, weight in network.named_parameters()}
    put(network, average)
    try:
        yield
    finally:
        put(network, own)


@torch.no_grad()
def put(network, weights: dict[str, torch.Tensor]) -> None:
    """Copy weights in place."""
    for name, weight in network.named_parameters():
        weight.copy_(weights[name])


@torch.no_grad()
def held_out_loss(network, alphas: torch.Tensor, images: torch.Tensor) -> dict[int, float]:
    """Plain mean squared error of v at each of LEVELS, for images (B, 3, H, W); the same noise each time."""
    generator = torch.Generator().manual_seed(0)
    clean = F.pixel_unshuffle(images, PATCH)
    losses = {}
    for level in LEVELS:
        timesteps = torch.full((len(clean),), level, device=clean.device)
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        noisy, target = add_noise(clean, noise, alphas[timesteps])
        loss = v_loss(predict(network, noisy, timesteps), target, torch.ones_like(alphas[timesteps]))
        losses[level] = round(loss.item(), 5)
    return losses


@torch.no_grad()
def sample(
    network, attention, alphas: torch.Tensor, references: torch.Tensor, shared: bool, steps: int
) -> torch.Tensor:
    """Pictures (n, 3, H, W) from noise by DDIM (Song et al. 2021, eq. 12, η = 0), with references of the same shape.

    Each step runs [references; pictures]; the references are noised to the step's level anew, with one noise.
    """
    generator = torch.Generator().manual_seed(1)
    clean = F.pixel_unshuffle(references, PATCH)
    first, z = (torch.randn(clean.shape, generator=generator).to(clean.device) for _ in range(2))
    levels = torch.linspace(len(alphas) - 1, 0, steps).long().tolist()
    attention.share(shared)
    for level, following in zip(levels, [*levels[1:], None], strict=True):
        timesteps = torch.full((2 * len(clean),), level, device=clean.device)
        noisy, _ = add_noise(clean, first, alphas[timesteps[: len(clean)]])
        v = predict(network, torch.cat([noisy, z]), timesteps)[len(clean) :].float()
        signal, sigma = alphas[level].sqrt(), (1 - alphas[level]).sqrt()
        x0, noise = signal * z - sigma * v, sigma * z + signal * v
        z = x0 if following is None else alphas[following].sqrt() * x0 + (1 - alphas[following]).sqrt() * noise
    attention.share(False)
    return F.pixel_shuffle(z, PATCH)


def write_sheet(path: Path, rows: list[torch.Tensor]) -> None:
    """Rows of pictures (n, 3, H, W) in [-1, 1] as one PNG."""
    sheet = torch.cat([torch.cat(list(row.cpu()), dim=2) for row in rows], dim=1)
    pixels = sheet.add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0)
    Image.fromarray(pixels.contiguous().numpy()).save(path)
