# SPDX-License-Identifier: GPL-3.0-or-later
"""One DDIM step up (inversion) or down (sampling), and the schedule it walks on.

Song, Meng, Ermon: Denoising Diffusion Implicit Models, ICLR 2021, arXiv 2010.02502, equation 12.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Schedule:
    """alphas_cumprod: a(t) for t = 0 … training steps − 1, float64. steps: T, the DDIM steps taken over them."""

    alphas_cumprod: torch.Tensor
    steps: int

    def timestep(self, i: int) -> int:
        """t_i = i · (training steps / T), rounded down, i = 0 … T − 1; below 0 for i = −1."""
        return i * len(self.alphas_cumprod) // self.steps

    def a(self, t: int) -> float:
        """a(t), the cumulative alpha; a(t < 0) := a(0)."""
        return float(self.alphas_cumprod[max(t, 0)])

    def moving(self) -> range:
        """The inversion steps that move a latent, and as T − 1 − i the sampling steps that do.

        Step 0 goes from a(t_{−1}) = a(0) to a(t_0) = a(0), whatever ε is: its network call need not be made.
        """
        return range(1, self.steps)

    def clean(self, z: torch.Tensor, eps: torch.Tensor, j: int) -> torch.Tensor:
        """x0 as ε predicts it of the latent z at level t_j."""
        a = self.a(self.timestep(j))
        return (z - (1 - a) ** 0.5 * eps) / a**0.5

    def up(self, z: torch.Tensor, eps: torch.Tensor, i: int) -> torch.Tensor:
        """Inversion step i: latent (B, C, h, w) at level t_{i−1} → level t_i."""
        return _move(z, eps, self.a(self.timestep(i - 1)), self.a(self.timestep(i)))

    def down(self, z: torch.Tensor, eps: torch.Tensor, i: int) -> torch.Tensor:
        """Sampling step i: latent at level t = t_{T−1−i} → level t − training steps / T."""
        j = self.steps - 1 - i
        return _move(z, eps, self.a(self.timestep(j)), self.a(self.timestep(j - 1)))

    def down_with_noise(
        self, z: torch.Tensor, eps: torch.Tensor, i: int, eta: torch.Tensor, noise: torch.Tensor
    ) -> torch.Tensor:
        """Sampling step i with fresh noise: eta (1, 1, h, w) in [0, 1] is 0 where the step stays deterministic.

        η = 1 is the ancestral step (equation 16). eta is a map here because only background grows.
        """
        j = self.steps - 1 - i
        a, a_next = self.a(self.timestep(j)), self.a(self.timestep(j - 1))
        sigma = eta * (max(0.0, (1 - a_next) / (1 - a) * (1 - a / a_next)) ** 0.5)
        x0 = (z - (1 - a) ** 0.5 * eps) / a**0.5
        return a_next**0.5 * x0 + (1 - a_next - sigma**2).clamp(min=0).sqrt() * eps + sigma * noise


def _move(z: torch.Tensor, eps: torch.Tensor, a_from: float, a_to: float) -> torch.Tensor:
    """√a_to · x0 + √(1 − a_to) · ε with x0 = (z − √(1 − a_from) · ε) / √a_from, gathered by z and ε: one new tensor, not five."""
    of_z = (a_to / a_from) ** 0.5
    of_eps = (1 - a_to) ** 0.5 - of_z * (1 - a_from) ** 0.5
    return (eps * of_eps).add_(z, alpha=of_z)


def eps_from_v(v: torch.Tensor, z: torch.Tensor, a: float) -> torch.Tensor:
    """ε from a v-prediction made at cumulative alpha a (Salimans & Ho 2022, arXiv 2202.00512, appendix D)."""
    return a**0.5 * v + (1 - a) ** 0.5 * z
