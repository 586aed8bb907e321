# SPDX-License-Identifier: GPL-3.0-or-later
"""Which place of which reference each place of the picture attends to most in its last steps: what a correspondence begins with.

It is looked at in the finest layers alone and only when somebody asks; scores are made again for some queries at a time.
"""

from __future__ import annotations

import torch

from ...models.attention import Bias
from ...patches.correspondence import Correspondence
from .places import Places
from .windows import Box

STEPS = 4  # the last ones: the detail is settled in them
BEST = 4  # places that are remembered of each layer and step
BYTES = 64 * 2**20  # of scores at once
CHUNK = 4096  # places of the picture at once, when what was seen is put together
TRUSTED, STRAY = 0.25, 0.75  # of all neighbours; latent pixels that two of them may be apart from where they should be
NEAR = 1.0  # latent pixels of the reference: about as far apart, two places that are attended to are one


class Attending:
    """size: (h, w) of the picture's latent. last: the last sampling step that injects. places: of the images that are attended to."""

    def __init__(self, size: tuple[int, int], last: int, places: Places):
        self.size, self.first, self.places = size, last - STEPS + 1, places
        self._halved, self._seen = 0, {}

    def at(self, i: int) -> Watch | None:
        """For sampling step i of the last round."""
        if i < self.first:
            return None
        height, width = self.size
        return Watch(self, i, torch.arange(height * width).view(1, height, width))

    def note(self, slot: tuple[int, str], halved: int, where: torch.Tensor, weights: torch.Tensor, keys: torch.Tensor) -> None:
        """slot: step and layer. halved: how often that layer's picture is. where (n,): numbers of latent pixels; the others (n, BEST)."""
        if not self._seen or halved < self._halved:
            self._halved, self._seen = halved, {}
        total = self.size[0] * self.size[1]
        canvas = self._seen.setdefault(slot, (torch.zeros(total, weights.shape[1]), torch.zeros(total, keys.shape[1], dtype=torch.int32)))
        canvas[0][where], canvas[1][where] = weights, keys.int()

    def wants(self, halved: int) -> bool:
        """Whether a layer is as fine as the finest so far."""
        return not self._seen or halved <= self._halved

    def resolve(self) -> Correspondence | None:
        """What was seen, put together, for each latent pixel of the picture; None where nothing was, or where it does not hang together:
        the attention of a weak network says little of places.
        """
        if not self._seen:
            return None
        image, at = self.places.of_keys(self._halved)
        weights, keys = (torch.cat(parts, 1) for parts in zip(*self._seen.values(), strict=True))
        chunks = zip(weights.split(CHUNK), keys.long().split(CHUNK), strict=True)
        found = [_strongest_place(w, image[k], at[k]) for w, k in chunks]
        field = self.places.correspondence(*(torch.cat(parts) for parts in zip(*found, strict=True)), self.size)
        return field if togetherness(field, 2**self._halved) >= TRUSTED else None


class Watch:
    """Of one network call of a watched step. here (1, h, w): the numbers of the latent pixels that the call sees."""

    def __init__(self, attending: Attending, step: int, here: torch.Tensor):
        self.attending, self.step, self.here = attending, step, here

    def within(self, box: Box) -> Watch:
        return Watch(self.attending, self.step, box.cut(self.here))

    def see(self, layer: str, query: torch.Tensor, key: torch.Tensor, scale: float, bias: Bias | None) -> None:
        """What a layer is about to compute: query, key (1, heads, tokens, d)."""
        height, width = self.here.shape[1:]
        halved = 0
        while height * width > query.shape[2]:
            height, width, halved = -(-height // 2), -(-width // 2), halved + 1
        if not self.attending.wants(halved):
            return
        weights, keys = strongest(query, key, scale, bias)
        rows, columns = (torch.arange(side) // 2**halved for side in self.here.shape[1:])
        place = (rows[:, None] * width + columns).flatten()
        self.attending.note((self.step, layer), halved, self.here.flatten(), weights[place], keys[place])


def togetherness(field: Correspondence, every: int = 1) -> float:
    """How many neighbours lie in the reference as they do in the picture, part of all: next to 0 where places are chance, or all one.

    every: pixels from one neighbour to the next.
    """
    sizes = torch.tensor(field.sizes)[field.reference]
    at = (torch.stack([field.x, field.y], -1) * sizes)[::every, ::every]
    steps, reference = field.steps()[::every, ::every] * every, field.reference[::every, ::every]
    here = torch.stack([reference[:-1, :-1]] * 2)
    beside = torch.stack([reference[:-1, 1:], reference[1:, :-1]])
    moved = torch.stack([at[:-1, 1:] - at[:-1, :-1], at[1:, :-1] - at[:-1, :-1]])
    expected = steps[:-1, :-1].permute(3, 0, 1, 2)
    near = (moved - expected).abs().amax(-1) < STRAY * every
    return float((near & (here == beside)).float().mean()) if near.numel() else 0.0


def strongest(query: torch.Tensor, key: torch.Tensor, scale: float, bias: Bias | None) -> tuple[torch.Tensor, torch.Tensor]:
    """(1, heads, tokens, d) twice → of each query the BEST keys: weights, means over the heads, and numbers, (queries, BEST) on the CPU."""
    query, key = query.float(), key.float()
    if bias is not None:
        query, key = bias.appended(query, key, scale)
    rows = max(BYTES // (4 * query.shape[1] * key.shape[2]), 1)
    parts = [torch.softmax(part @ (key[0] * scale).transpose(1, 2), -1).mean(0) for part in query[0].split(rows, 1)]
    found = [part.topk(min(BEST, part.shape[1])) for part in parts]
    return torch.cat([f.values for f in found]).cpu(), torch.cat([f.indices for f in found]).cpu()


def _strongest_place(weights: torch.Tensor, image: torch.Tensor, at: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """weights, image (n, M), at (n, M, 2): the places seen → (n,), (n, 2): where most of them lie together."""
    apart = (at[:, :, None] - at[:, None]).square().sum(-1)
    near = torch.exp(apart / (-2 * NEAR**2)) * (image[:, :, None] == image[:, None])  # (n, M, M)
    best = (near * weights[:, None]).sum(2).argmax(1)
    pick = torch.arange(len(best))
    pull = near[pick, best] * weights
    return image[pick, best], (pull[..., None] * at).sum(1) / pull.sum(1).clamp_min(1e-12)[:, None]
