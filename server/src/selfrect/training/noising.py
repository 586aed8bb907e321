# SPDX-License-Identifier: GPL-3.0-or-later
"""The noise of one training step: which levels, which noise, what is asked for. All chance comes from (seed, step)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from selfrect.training import losses, rough
from selfrect.training.network import PATCH
from selfrect.training.recipe import Phase, Recipe


@dataclass(frozen=True)
class Task:
    """noisy, target: patches (B, 48, h, w) and their v. timesteps, weight: (B,). shared: whether targets look at their references."""

    noisy: torch.Tensor
    target: torch.Tensor
    timesteps: torch.Tensor
    weight: torch.Tensor
    shared: bool


def task(images: torch.Tensor, step: int, phase: Phase, recipe: Recipe, alphas: torch.Tensor) -> Task:
    """images: (B, 3, H, W) in [-1, 1] on the device that trains."""
    seed = recipe.seed * 1_000_003 + step
    chance, of_noise = torch.Generator().manual_seed(seed), torch.Generator(images.device).manual_seed(seed)
    timesteps = draw_timesteps(chance, phase, recipe.end_emphasis, len(alphas)).to(images.device)
    shared = phase.pairs and torch.rand((), generator=chance).item() < phase.shared_attention
    stray = shared and torch.rand((), generator=chance).item() < phase.stray
    levels = strayed(timesteps, int((alphas > recipe.used_until).sum())) if stray else timesteps
    mends = shared and not stray and torch.rand((), generator=chance).item() < phase.rough
    clean = F.pixel_unshuffle(images, PATCH)
    noise = torch.randn(clean.shape, generator=of_noise, device=images.device)
    seen = roughly(images, alphas[levels], rough.draw_shift(chance), of_noise) if mends else clean
    noisy, target = losses.add_noise(seen, noise, alphas[levels])
    if mends:
        target = losses.v_towards(clean, noisy, alphas[levels])
    weight = losses.weights(alphas[timesteps], recipe.min_snr_gamma, recipe.least_weight)
    if stray:  # what such a reference is itself is not asked
        weight[: len(weight) // 2] = 0
    return Task(noisy, target, timesteps, weight, shared)


def roughly(images: torch.Tensor, alphas: torch.Tensor, shift: tuple[int, int], chance: torch.Generator) -> torch.Tensor:
    """Patches of references as they are, and of targets that are rough."""
    references, targets = images.chunk(2)
    made = rough.roughened(targets, references, shift, chance)
    mixed = targets + rough.strength(alphas[len(references) :]) * (made - targets)
    return F.pixel_unshuffle(torch.cat([references, mixed]), PATCH)


def draw_timesteps(chance: torch.Generator, phase: Phase, emphasis: float, levels: int) -> torch.Tensor:
    """Timesteps (batch,): uniform, and a part of them from both ends; the crops of a group are noised alike."""
    count = phase.batch // (2 if phase.pairs else 1) // phase.group
    uniform = torch.rand(count, generator=chance)
    ends = torch.rand(count, generator=chance) < emphasis
    place = torch.where(ends, (uniform * 0.4 + 0.8) % 1.0, uniform)  # [0.8, 1.2): the highest fifth, the lowest
    timesteps = (place * levels).long().clamp(max=levels - 1).repeat_interleave(phase.group)
    return torch.cat([timesteps, timesteps]) if phase.pairs else timesteps


def strayed(timesteps: torch.Tensor, used: int) -> torch.Tensor:
    """The references at the other end of the levels in use: structure-preserving inversion takes keys and values from there."""
    half = len(timesteps) // 2
    return torch.cat([(used - 1 - timesteps[:half]).clamp(min=0), timesteps[half:]])
