# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network is asked for, and how much each noise level counts.

Notation of Salimans & Ho 2022 (progressive distillation): z = √a·x + √(1−a)·ε, v = √a·ε − √(1−a)·x, SNR = a / (1−a).
"""

from __future__ import annotations

import torch


def add_noise(clean: torch.Tensor, noise: torch.Tensor, alphas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy patches z and the target v, both (B, C, h, w), for cumulative alphas (B,)."""
    signal = alphas.sqrt().view(-1, 1, 1, 1)
    sigma = (1 - alphas).sqrt().view(-1, 1, 1, 1)
    return signal * clean + sigma * noise, signal * noise - sigma * clean


def v_towards(clean: torch.Tensor, noisy: torch.Tensor, alphas: torch.Tensor) -> torch.Tensor:
    """The v that says of `noisy` that it is `clean`, whatever it was made of: from x = √a·z − √(1−a)·v."""
    signal, sigma = (part.sqrt().view(-1, 1, 1, 1) for part in (alphas, 1 - alphas))
    return (signal * noisy - clean) / sigma


def weights(alphas: torch.Tensor, gamma: float, least: float) -> torch.Tensor:
    """Weights (B,) of the error in v: min-SNR-γ (Hang et al. 2023, eq. 9: min(SNR, γ) / (SNR + 1)), at least `least`.

    The floor departs from the paper. Rectifying inverts a picture from its cleanest state to noise and back, so errors
    at both ends of the schedule, which min-SNR hardly counts, come back as grain (low noise) and wrong colours (high).
    """
    snr = alphas / (1 - alphas)
    return (snr.clamp(max=gamma) / (snr + 1)).clamp(min=least)


def v_loss(predicted: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Weighted mean squared error of v, in float32."""
    error = (predicted.float() - target.float()).square().mean(dim=(1, 2, 3))
    return (weight * error).mean()
