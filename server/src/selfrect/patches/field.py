# SPDX-License-Identifier: GPL-3.0-or-later
"""Which place of which reference each pixel of any finished picture is like: one field that all other maps can follow.

From coarse to fine patches are searched for (`nearest`), from the network's attention or from nothing; a field that the picture was
drawn by (`synthesis`) is only made calmer (`coherence`). At last it is moved by parts of a pixel (`subpixel`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..searched import SEARCHED
from .coherence import coherent
from .correspondence import Correspondence, enlarged
from .nearest import Search, allowed_middles, descriptors, patch_basis, variance_of
from .resizing import finer, resized, scales_of, size_of
from .sources import Pose, make_sources
from .subpixel import moved
from .turns import find_poses

_ASKED_AT = 144  # px of the shorter side, of the pictures that turns are looked for in
_SOURCES = 12e6  # px of all sources together
_COARSEST = 48  # px of the shorter side
_PATCH, _DIMENSIONS = 7, 24
_AT_JOINTS = 3  # px, of the patches that say where pieces are joined
_ROUNDS = (4, 2)  # of the search, coarsest and finer levels
_ROUNDS_KNOWN = 1  # where each pixel has its match already
_JOINT, _DIFFERENCE = 0.05, 0.3  # of the variance of patches: what joints cost, and differences there as large as the colours' spread
_ENOUGH = 2e-4  # of the variance: what is nearer needs no better match


@dataclass(frozen=True)
class Wanted:
    """What a field is asked of. result (3, H, W), references (3, h, w) in [0, 1], float32, on one device.

    layers: of each reference (C, h, w), its other maps at its own size, brought to about [0, 1]: pieces are then joined where all maps
    agree, not the colours alone. opaque: of each reference (h, w) bool. wrap: (x, y), edges that go around. poses: those that
    references are looked at in, or None: looked for.
    """

    result: torch.Tensor
    references: list[torch.Tensor]
    layers: list[torch.Tensor] | None = None
    opaque: list[torch.Tensor] | None = None
    wrap: tuple[bool, bool] = (False, False)
    poses: tuple[Pose, ...] | None = None
    seed: int = 0


Alive = Callable[[], None]


@torch.inference_mode()
def correspond(wanted: Wanted, start: Correspondence | None = None, alive: Alive = lambda: None) -> Correspondence:
    """The field of a finished picture, at most `SEARCHED` pixels of it.

    start: what is already known, of any size: of the network's attention (a few pixels wide) or of the patches that drew the picture
    (as large as it). Only what lies beneath its own size is looked for. alive: called several times a second; may raise.
    """
    scale = min(1.0, math.sqrt(SEARCHED / (wanted.result.shape[1] * wanted.result.shape[2])))
    return _Run(wanted, scale, alive).run(start)


class _Run:
    def __init__(self, wanted: Wanted, scale: float, alive: Alive):
        self.wanted, self.alive, self.generator = wanted, alive, torch.Generator().manual_seed(wanted.seed)
        self.result = resized(wanted.result, size_of(wanted.result, scale))
        self.references = [resized(r, size_of(r, scale)) for r in wanted.references]
        opaque = wanted.opaque or [torch.ones(r.shape[1:], dtype=torch.bool, device=r.device) for r in wanted.references]
        self.opaque = [resized(o[None].float(), r.shape[1:])[0] > 0.9 for o, r in zip(opaque, self.references, strict=True)]
        layers = wanted.layers or self.references
        self.layers = [resized(m, r.shape[1:]) for m, r in zip(layers, self.references, strict=True)]

    def run(self, start: Correspondence | None) -> Correspondence:
        poses = self._poses(start)
        scales = scales_of(min(min(p.shape[1:]) for p in (self.result, *self.references)), _COARSEST)
        if start is not None:  # what is larger than a pixel of it is known
            known = [scale for scale in scales if min(size_of(self.result, scale)) >= min(start.x.shape)]
            scales = known or scales[-1:]
        matches = before = None
        for number, scale in enumerate(scales):
            level = _Level(self, scale, poses)
            if before is not None:
                matches = finer(matches, before, level.sources.shape, level.size)
            else:
                matches = level.anew() if start is None else level.of(start)
            known = start is not None and start.x.shape == level.size
            matches = level.improved(matches, _ROUNDS_KNOWN if known else _ROUNDS[number > 0])
            before = level.sources.shape
        matches = level.calmed(matches)
        return level.field(matches)

    def _poses(self, start: Correspondence | None) -> list[Pose]:
        """The most used first, as many as there is room for; upright always."""
        if start is not None:
            poses = start.poses()
        elif self.wanted.poses is not None:
            poses = list(self.wanted.poses)
        else:
            scale = min(1.0, _ASKED_AT / min(min(p.shape[1:]) for p in (self.result, *self.references)))
            result, references, opaque = self.smaller(scale)
            every = torch.ones(result.shape[1:], dtype=torch.bool, device=result.device)
            poses = find_poses(result, every, references, opaque, self.generator, self.alive)[0]
        room = max(1, int(_SOURCES // sum(math.hypot(*r.shape[1:]) ** 2 for r in self.references)))
        return list(dict.fromkeys([*poses[: max(1, room - 1)], Pose()]))[:room]

    def smaller(self, scale: float) -> tuple[torch.Tensor, list[torch.Tensor], list[torch.Tensor]]:
        result, *references = (resized(p, size_of(p, scale)) for p in (self.result, *self.references))
        return result, references, [resized(o[None].float(), r.shape[1:])[0] > 0.9 for o, r in zip(self.opaque, references, strict=True)]


class _Level:
    """One size of the pyramid."""

    def __init__(self, run: _Run, scale: float, poses: list[Pose]):
        self.run, self.wrap = run, run.wanted.wrap
        self.result, self.references, opaque = run.smaller(scale)
        self.size = tuple(self.result.shape[1:])
        self.poses, self.opaque = poses, opaque
        self.sources = make_sources(self.references, poses, opaque)
        self.search, self.variance = self._search(_PATCH)

    def _search(self, patch: int) -> tuple[Search, float]:
        """For patches of so many pixels, and the variance of these."""
        pictures, allowed = self.sources.pictures, allowed_middles(self.sources.valid, patch)
        basis = patch_basis(pictures, allowed, patch, _DIMENSIONS)
        theirs = descriptors(pictures, basis, valid=self.sources.valid)
        ours = descriptors(self.result[None], basis, self.wrap)[0]
        return Search(ours, theirs, allowed, self.run.generator, self.run.alive), float(variance_of(theirs, allowed))

    def anew(self) -> torch.Tensor:
        """Each patch compared with all."""
        every = torch.arange(self.size[0] * self.size[1], device=self.result.device)
        return self.search.exhaustive(every)[0].view(self.size)

    def improved(self, matches: torch.Tensor, rounds: int) -> torch.Tensor:
        return self.search.improve(matches.reshape(-1).clone(), rounds, _ENOUGH * self.variance).view(self.size)

    def of(self, field: Correspondence) -> torch.Tensor:
        """The matches that a field of any size says; the source is the one that shows its reference most alike."""
        sizes = torch.tensor([(r.shape[2], r.shape[1]) for r in self.references], dtype=torch.float32)
        reference, at, steps = enlarged(field, self.size, sizes)
        _, rows, columns = self.sources.shape
        least, matches = torch.full(self.size, torch.inf), torch.zeros(self.size, dtype=torch.long)
        numbers = self.sources.references.tolist()
        for k, matrix in enumerate(self.sources.to_reference.float().cpu()):
            unlike = (steps - matrix[:, :2]).square().sum((-1, -2)) + (reference != numbers[k]) * 1e6
            x, y = ((at - 0.5 - matrix[:, 2]) @ matrix[:, :2].inverse().T).round().long().unbind(-1)
            place = (k * rows + y.clamp(0, rows - 1)) * columns + x.clamp(0, columns - 1)
            matches = torch.where(unlike < least, place, matches)
            least = torch.minimum(least, unlike)
        return matches.to(self.result.device)

    def calmed(self, matches: torch.Tensor) -> torch.Tensor:
        """In pieces that are as large as they can be."""
        layers = make_sources(self.run.layers, self.poses, self.opaque).pictures.permute(0, 2, 3, 1).flatten(0, 2)
        spread = float(torch.cat([m.flatten(1) for m in self.run.layers], 1).var(1).sum())
        search, variance = self._search(_AT_JOINTS)
        joint, price = _JOINT * variance, _DIFFERENCE * variance / max(spread, 1e-9)
        return coherent(matches, search, layers, joint, price, self.wrap, self.run.alive)

    def field(self, matches: torch.Tensor) -> Correspondence:
        shift = moved(self.result, self.sources.pictures, matches, self.wrap)
        return Correspondence.of(matches, self.sources, self.references, shift)
