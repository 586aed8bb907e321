# SPDX-License-Identifier: GPL-3.0-or-later
"""A latent as a rough picture, by the linear map that fits the pictures encoded so far best: no decoder, no constants."""

from __future__ import annotations

import torch
import torch.nn.functional as F

RIDGE = 1e-4  # of the mean square; few pixels, or channels alike, leave no hole


class Rough:
    """colour ≈ (latent, 1) · map, by least squares over latent pixels; the picture scaled down to the latent's size."""

    def __init__(self) -> None:
        self._left: torch.Tensor | float = 0.0  # Σ (z, 1)ᵀ(z, 1)
        self._right: torch.Tensor | float = 0.0  # Σ (z, 1)ᵀ x
        self._map: torch.Tensor | None = None

    def see(self, x: torch.Tensor, z: torch.Tensor) -> None:
        """A picture (B, 3, H, W) and what it was encoded to, (B, C, h, w)."""
        rows = _rows(z)
        colours = F.interpolate(x.to(z.device).float(), size=z.shape[2:], mode="area").movedim(1, 3).flatten(0, 2).double()
        self._left, self._right, self._map = self._left + rows.T @ rows, self._right + rows.T @ colours, None

    def __call__(self, z: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) → (B, 3, h, w) in [−1, 1]; grey before anything was seen."""
        if isinstance(self._left, float):
            return z.new_zeros(len(z), 3, *z.shape[2:])
        if self._map is None:
            ridge = RIDGE * self._left.diagonal().mean() * torch.eye(len(self._left), dtype=torch.float64, device=z.device)
            self._map = torch.linalg.solve(self._left + ridge, self._right)
        colours = (_rows(z) @ self._map).unflatten(0, (len(z), *z.shape[2:])).movedim(3, 1)
        return colours.float().clamp(-1, 1)


def _rows(z: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) → (B·h·w, C + 1) float64, the last column 1."""
    flat = z.movedim(1, 3).flatten(0, 2).double()
    return F.pad(flat, (0, 1), value=1.0)
