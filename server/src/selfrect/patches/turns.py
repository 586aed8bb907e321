# SPDX-License-Identifier: GPL-3.0-or-later
"""By which angles the placed pieces were turned: each is looked for in the reference at all turns."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from .nearest import Search, allowed_middles, descriptors, patch_basis
from .sources import make_sources

_ASKED = 800  # placed pixels that are looked for
_PATCH, _DIMENSIONS = 9, 24
_ROUGH, _FINE = 15, 5  # degrees
_MOST = 10
_GAIN = 0.05  # of what is left unexplained: less is no reason for one more turn
_APART = 10  # degrees between two turns: nearer ones are one turn, resampled in two ways


def find_turns(
    target: torch.Tensor,
    placed: torch.Tensor,
    references: list[torch.Tensor],
    opaque: list[torch.Tensor],
    generator: torch.Generator,
    alive: Callable[[], None] = lambda: None,
) -> tuple[list[float], float]:
    """target (3, H, W), placed (H, W) bool, references (3, h, w) with `opaque` (h, w), all of some hundred pixels at most.

    Returns the turns in radians, the most used first, and how far the placed patches are from the nearest of the references', as
    part of these patches' variance: about 0 where they were cut from the reference, 0.3 and more where they were drawn.
    """
    inner = ~torch.nn.functional.max_pool2d((~placed)[None].float(), _PATCH, stride=1, padding=_PATCH // 2)[0].bool()
    inner = inner if int(inner.sum()) >= 32 else placed
    at = inner.reshape(-1).nonzero()[:, 0]
    if not len(at):
        return [0.0], 0.0
    at = at[torch.randperm(len(at), generator=generator)[:_ASKED].to(at.device)]
    rough, _ = _explain(target, at, references, opaque, [math.radians(a) for a in range(0, 360, _ROUGH)], generator, alive)
    near = sorted({(round(math.degrees(a)) + d) % 360 for a in rough for d in (-_FINE, 0, _FINE)})
    return _explain(target, at, references, opaque, [math.radians(a) for a in near], generator, alive)


def _explain(target, at, references, opaque, angles, generator, alive) -> tuple[list[float], float]:
    """The fewest of the angles that explain the pixels `at` about as well as all of them, and what they leave unexplained."""
    upright = make_sources(references, [0.0], opaque)
    size = min(_PATCH, (min(min(r.shape[1:]) for r in references) - 1) // 2 * 2 + 1)
    basis = patch_basis(upright.pictures, allowed_middles(upright.valid, size), size, _DIMENSIONS)
    ours = descriptors(target[None], basis)[0]
    far = []
    for angle in angles:
        sources = make_sources(references, [angle], opaque)
        theirs = descriptors(sources.pictures, basis)
        far.append(Search(ours, theirs, allowed_middles(sources.valid, size), generator, alive).exhaustive(at)[1])
    variance = float(descriptors(upright.pictures, basis)[allowed_middles(upright.valid, size)].var(0).sum().clamp_min(1e-9))
    far = torch.stack(far) / variance  # (angles, n)
    best = far.amin(0).mean()
    chosen = [int(far.mean(1).argmin())]
    while len(chosen) < _MOST:
        left = torch.minimum(far, far[chosen].amin(0)).mean(1)
        left[[n for n, angle in enumerate(angles) if any(_apart(angle, angles[c]) < _APART - 0.5 for c in chosen)]] = torch.inf
        now, following = far[chosen].amin(0).mean(), int(left.argmin())
        if now <= 1.1 * best + 0.0005 or not now - left[following] >= _GAIN * now + 0.0002:
            break
        chosen.append(following)
    return [angles[n] for n in chosen], float(far[chosen].amin(0).median())


def _apart(one: float, other: float) -> float:
    """Degrees between two angles in radians, at most 180."""
    return abs((math.degrees(one - other) + 180) % 360 - 180)
