# SPDX-License-Identifier: GPL-3.0-or-later
"""How much each reference counts, and where: a bias on the scores of the injected attention (not in the paper, where all count alike).

A key that counts half has log ½ added to its score, which halves its weight in the softmax before that is made to add up to 1.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from ...engine import Request
from ...kept.keys import hash_of, key_of
from ...models.attention import Bias
from .canvas import Wrap, fitted
from .layers import at_layer
from .windows import Box

NOTHING = -1000.0  # what is added where a reference does not count: no exponential of that is left, and every precision holds it


class Balance:
    """shares (N, h, w) ≥ 0, latent pixels of the running image: of each reference. numbers: of each injected image, its reference."""

    def __init__(self, shares: torch.Tensor, numbers: list[int]):
        self.shares, self.numbers = shares, numbers

    @property
    def key(self) -> str:
        """Of a result that depends on it."""
        return key_of("balance", hash_of(self.shares.cpu().numpy()), self.numbers)

    def within(self, box: Box) -> Balance:
        """For a running image that is one window of the whole."""
        return Balance(box.cut(self.shares), self.numbers)

    def bias(self, queries: int, keys: list[int]) -> Bias:
        """For a layer with so many queries, and so many keys of each injected image."""
        shares = at_layer(self.shares, queries).flatten(1).T  # (queries, N)
        # What is added to all scores of one query changes nothing: the reference that counts most has 0.
        scores = (shares / shares.amax(1, keepdim=True)).log().clamp_min(NOTHING)
        device = scores.device
        owners = torch.tensor(self.numbers, device=device).repeat_interleave(torch.tensor(keys, device=device))
        return Bias(scores, F.one_hot(owners, scores.shape[1]).float())


def balance_of(
    request: Request, numbers: list[int], size: tuple[int, int], factor: int, wrap: Wrap, device: torch.device
) -> Balance | None:
    """numbers: as in `Balance`. size: (h, w) of the target's latent. None where all references count alike everywhere."""
    weights, regions = request.weights or [1.0] * len(request.references), request.regions or [None] * len(request.references)
    if len(weights) == 1 or (len(set(weights)) == 1 and all(region is None for region in regions)):
        return None
    shares = [weight * _region(region, size, factor, wrap) for weight, region in zip(weights, regions, strict=True)]
    return Balance(_somewhere(torch.stack(shares), weights).to(device), numbers)


def _region(region: np.ndarray | None, size: tuple[int, int], factor: int, wrap: Wrap) -> torch.Tensor:
    """(H, W) of the target or None → (h, w) in [0, 1]."""
    if region is None:
        return torch.ones(size)
    whole = fitted(torch.from_numpy(np.ascontiguousarray(region))[None, None], factor, wrap)
    return F.interpolate(whole, size, mode="area")[0, 0].clamp(0, 1)


def _somewhere(shares: torch.Tensor, weights: list[float]) -> torch.Tensor:
    """Where no reference has a region all of them count, by their weights."""
    bare = shares.amax(0) == 0
    return torch.where(bare, torch.tensor(weights)[:, None, None], shares)
