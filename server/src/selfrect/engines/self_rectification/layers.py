# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps of latent pixels at the places of a layer: the network halves its picture from level to level, rounding up."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def at_layer(x: torch.Tensor, tokens: int) -> torch.Tensor:
    """(N, h, w) → (N, h', w') of the layer that has so many places: means."""
    while x[0].numel() > tokens:
        x = F.interpolate(x[None], [-(-side // 2) for side in x.shape[1:]], mode="area")[0]
    return x


def places_shown(shown: torch.Tensor, tokens: int) -> torch.Tensor:
    """shown (h, w) bool → the layer's places that are shown through and through, by number; all where there is none."""
    whole = at_layer(shown[None].float(), tokens)[0].flatten() > 0.999
    return whole.nonzero()[:, 0] if bool(whole.any()) else torch.arange(tokens, device=shown.device)
