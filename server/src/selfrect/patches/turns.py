# SPDX-License-Identifier: GPL-3.0-or-later
"""How the placed pieces were turned, and mirrored and scaled where that is asked for: each is looked for in the reference in all poses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from .nearest import Search, allowed_middles, descriptors, patch_basis, variance_of
from .sources import Pose, make_sources

_ASKED = 800  # placed pixels that are looked for
_PATCH, _DIMENSIONS = 9, 24
_ROUGH, _FINE = 15, 5  # degrees
_MOST = 10
_GAIN = 0.02  # of what is left unexplained: less is no reason for one more turn
_OF_ALL = 0.06, 0.12  # of what all turns together would explain, among rough ones and in the end: the same
_APART = 10  # degrees between two turns: nearer ones are one turn, resampled in two ways
_PLAINLY = 0.005  # of the pixels that are looked for must be plainly nearer in a pose than in the others
_ROOM = 64  # places of patches that a scaled reference must have at least


def find_poses(
    target: torch.Tensor,
    placed: torch.Tensor,
    references: list[torch.Tensor],
    opaque: list[torch.Tensor],
    generator: torch.Generator,
    alive: Callable[[], None] = lambda: None,
    flips: bool = False,
    scales: Sequence[float] = (),
) -> tuple[list[Pose], float]:
    """target (3, H, W), placed (H, W) bool, references (3, h, w) with `opaque` (h, w), all of some hundred pixels at most.
    flips, scales: whether mirrored ones are looked for, and others than 1.

    Returns the poses, the most used first, and how far the placed patches are from the nearest of the references', as
    part of these patches' variance: about 0 where they were cut from the reference, 0.3 and more where they were drawn.
    """
    inner = ~torch.nn.functional.max_pool2d((~placed)[None].float(), _PATCH, stride=1, padding=_PATCH // 2)[0].bool()
    inner = inner if int(inner.sum()) >= 32 else placed
    at = inner.reshape(-1).nonzero()[:, 0]
    if not len(at):
        return [Pose()], 0.0
    at = at[torch.randperm(len(at), generator=generator)[:_ASKED].to(at.device)]
    ways = [(mirrored, scale) for mirrored in ((False, True) if flips else (False,)) for scale in (1.0, *scales)]
    rough = [Pose(math.radians(a), *way) for way in ways for a in range(0, 360, _ROUGH)]
    rough, _ = _explain(target, at, references, opaque, rough, _OF_ALL[0], generator, alive)
    near = sorted({((round(math.degrees(a)) + d) % 360, *way) for a, *way in rough for d in (-_FINE, 0, _FINE)})
    return _explain(target, at, references, opaque, [Pose(math.radians(a), *way) for a, *way in near], _OF_ALL[1], generator, alive)


def _explain(target, at, references, opaque, poses, of_all, generator, alive) -> tuple[list[Pose], float]:
    """The fewest of the poses that explain the pixels `at` about as well as all of them, and what they leave unexplained."""
    upright = make_sources(references, [0.0], opaque)
    size = min(_PATCH, (min(min(r.shape[1:]) for r in references) - 1) // 2 * 2 + 1)
    basis = patch_basis(upright.pictures, allowed_middles(upright.valid, size), size, _DIMENSIONS)
    ours = descriptors(target[None], basis)[0]
    far = []
    for pose in poses:
        sources = make_sources(references, [pose], opaque)
        allowed = allowed_middles(sources.valid, size)
        if int(allowed.sum()) < _ROOM and pose.scale < 1:
            far.append(ours.new_full(at.shape, 1e9))
            continue
        far.append(Search(ours, descriptors(sources.pictures, basis, valid=sources.valid), allowed, generator, alive).exhaustive(at)[1])
    variance = float(variance_of(descriptors(upright.pictures, basis), allowed_middles(upright.valid, size)).clamp_min(1e-9))
    far = torch.stack(far) / variance  # (poses, n)
    best = far.amin(0).mean()
    chosen = [int(far.mean(1).argmin())]
    while len(chosen) < _MOST:
        left = torch.minimum(far, far[chosen].amin(0)).mean(1)
        left[[n for n, pose in enumerate(poses) if any(_alike(pose, poses[c]) for c in chosen)]] = torch.inf
        now, following = far[chosen].amin(0).mean(), int(left.argmin())
        least = torch.maximum(_GAIN * now + 0.0002, of_all * (now - best))
        if now <= 1.03 * best + 0.0005 or not now - left[following] >= least:
            break
        chosen.append(following)
    chosen = [chosen[k] for k in _needed(far[chosen])]
    return [poses[n] for n in chosen], float(far[chosen].amin(0).median())


def _needed(far: torch.Tensor) -> list[int]:
    """Of the chosen ones, far (n, pixels), those that some of the pixels cannot do without; a sky looks alike at all turns."""
    if len(far) == 1:
        return [0]
    (best, second), own = far.sort(0).values[:2], far.argmin(0)
    plainly = (best < 0.5 * second) & (second > 0.3 * best.mean())
    return [k for k in range(len(far)) if k == 0 or ((own == k) & plainly).float().mean() >= _PLAINLY]


def _alike(one: Pose, other: Pose) -> bool:
    return one[1:] == other[1:] and apart(one.angle, other.angle) < _APART - 0.5


def apart(one: float, other: float) -> float:
    """Degrees between two angles in radians, at most 180."""
    return abs((math.degrees(one - other) + 180) % 360 - 180)
