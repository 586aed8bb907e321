# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture whose every patch is one of the reference's and whose layout is the target's, coarse to fine."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .correspondence import Correspondence
from .nearest import Search, allowed_middles, descriptors, patch_basis
from .sources import Sources, make_sources
from .start import quilt
from .turns import find_turns
from .usage import Usage
from .vote import vote

_ASKED_AT = 144  # px of the shorter side, of the pictures that turns are looked for in
_SEARCHED = 1280 * 1280  # px: at larger levels matches are only enlarged, so that memory and time stay bounded
_SOURCES = 12e6  # px of all sources together
_ENOUGH = 2e-4  # of the variance: what is nearer needs no better match
_PRICE = 0.03  # of the variance: what a place costs that is used twice as often as the average
_MOST_USED = 10.0
_JOINT, _LEAST_JOINT = 2.0, 0.01  # from how many times the median distance on, plus a part of the variance, pieces do not fit


@dataclass(frozen=True)
class Options:
    """patch: px. coarsest: px of the shorter side of the smallest level. rounds: of search and vote a level, coarsest to finest.

    guidance: how much what is placed counts against the patches, at the coarsest and at the finest level. evenness: how dear a
    source pixel becomes that is used more often than others. sharpness: of the votes, and of the very last one. border: how far
    from its border what is placed counts less, part of the shorter side. block: of the first layout, part of the same.
    exact: whether placed pixels that the patches agree with are kept as they are. turns: radians, or None: found from the target.
    """

    patch: int = 7
    coarsest: int = 48
    rounds: tuple[int, int] = (8, 2)
    guidance: tuple[float, float] = (10.0, 3.0)
    evenness: float = 1.0
    sharpness: tuple[float, float] = (4.0, 20.0)
    border: float = 0.05
    block: float = 0.28
    exact: bool = True
    turns: tuple[float, ...] | None = None
    dimensions: int = 24
    seed: int = 0


@dataclass(frozen=True)
class Synthesis:
    """picture (3, H, W) in [0, 1]. turns: radians, those used. unlike: how far what is placed is from the references, see `find_turns`."""

    picture: torch.Tensor
    correspondence: Correspondence
    turns: list[float]
    unlike: float


Told = Callable[[int, int, "torch.Tensor | None"], None]


@torch.inference_mode()
def synthesize(
    target: torch.Tensor,
    placed: torch.Tensor,
    references: list[torch.Tensor],
    options: Options = Options(),
    wrap: tuple[bool, bool] = (False, False),
    start: torch.Tensor | None = None,
    told: Told = lambda step, steps, picture: None,
    opaque: list[torch.Tensor] | None = None,
) -> Synthesis:
    """target (3, H, W) and references (3, h, w) in [0, 1]; placed (H, W) in [0, 1]. Same device, float32.

    wrap: (x, y), edges that go around. start: a picture (3, H, W) that takes the place of the first layout. told: step, steps and
    the picture where there is a new one; called several times a second, may raise. opaque: of each reference, (h, w) bool.
    """
    return _Run(target, placed, references, options, wrap, start, told, opaque).run()


class _Run:
    def __init__(self, target, placed, references, options: Options, wrap, start, told: Told, opaque):
        self.target, self.placed, self.references, self.options, self.wrap = target, placed, references, options, wrap
        self.start, self.told = start, told
        self.opaque = opaque or [torch.ones(r.shape[1:], dtype=torch.bool, device=r.device) for r in references]
        self.generator = torch.Generator().manual_seed(options.seed)
        self.side = min(target.shape[1:])
        self.scales = _scales(min(self.side, *(min(r.shape[1:]) for r in references)), options.coarsest)
        self.counts = [round(_between(*options.rounds, n, len(self.scales))) for n in range(len(self.scales))]
        self.step, self.steps = 0, sum(self.counts) + 2

    def run(self) -> Synthesis:
        turns, unlike = self._turns()
        trust = 1 / (1 + (unlike / 0.1) ** 2)  # what was drawn only roughly gives way to the reference's detail
        softened = _without_border(self.placed, round(self.options.border * self.side), self.wrap) * self._whole(turns)
        picture = matches = before = None
        for number, scale in enumerate(self.scales):
            guidance = _between(self.options.guidance[0], self.options.guidance[1] * trust, number, len(self.scales))
            level = _Level(self, scale, turns, softened, guidance)
            if picture is None:
                picture, matches = self._begin(level)
                self._next(picture)
            else:
                picture, matches = _resized(picture, level.size), _finer(matches, before, level.sources, level.size)
            picture, matches = self._rounds(level, picture, matches, before, number)
            before = level.sources
        exact = self._exact(softened, picture) if self.options.exact else picture
        return Synthesis(exact.clamp(0, 1), Correspondence.of(matches, before, self.references), turns, unlike)

    def _rounds(self, level: _Level, picture, matches, before: Sources | None, number: int):
        if level.size[0] * level.size[1] > _SEARCHED:
            self._next(picture)
            return level.draw(matches, None, self.options.sharpness[1]), matches
        for k in range(self.counts[number]):
            last = number == len(self.scales) - 1 and k == self.counts[number] - 1
            keys = level.enlarged(before) if k == 0 and before is not None else level.theirs
            picture, matches = level.round(picture, matches, keys, self.options.sharpness[last], thorough=number == 0)
            self._next(picture)
        return picture, matches

    def _turns(self) -> tuple[list[float], float]:
        """Found on pictures that are as small as their detail allows."""
        scale = min(1.0, _ASKED_AT / min(self.side, *(min(r.shape[1:]) for r in self.references)))
        size = _size(self.target, scale)
        target, weight = _guide(self.target, self.placed, size)
        smaller, opaque = self.smaller(scale)
        turns, unlike = find_turns(target, weight > 0.9, smaller, opaque, self.generator, self.alive)
        self._next(None)
        turns = turns if self.options.turns is None else list(self.options.turns)
        return turns[: self._most_turns()], unlike

    def _whole(self, turns: list[float]) -> torch.Tensor:
        """(H, W) in [0, 1]: small where pieces that were placed side by side do not fit, for no patch of the references looks like that.

        Measured against what is usual in this target, so that one that was only drawn roughly keeps its layout.
        """
        scale = min(1.0, _ASKED_AT / self.side)
        level = _Level(self, scale, turns, self.placed, 0.0)
        search = level.search(level.guide, level.theirs)
        found = search.improve(search.chance(), 3, float(_ENOUGH * level.variance))
        unlike = search.patch_distance(found).view(level.size)
        placed = level.placed > 0.9
        if not bool(placed.any()):
            return torch.ones_like(self.placed)
        limit = _JOINT * unlike[placed].median() + _LEAST_JOINT * level.variance
        whole = -F.max_pool2d(-1 / (1 + (unlike / limit) ** 2)[None], self.options.patch, stride=1, padding=self.options.patch // 2)
        return _resized(whole, tuple(self.placed.shape))[0]

    def _most_turns(self) -> int:
        """So that memory is bounded: of the turns, the most used come first."""
        largest = sum(math.hypot(*r.shape[1:]) ** 2 for r in self.references)
        searched = self.target.shape[1] * self.target.shape[2] <= _SEARCHED
        return max(1, int((_SOURCES if searched else 3 * _SOURCES) // largest))

    def smaller(self, scale: float) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The references and their opaque pixels."""
        pictures = [_resized(r, _size(r, scale)) for r in self.references]
        return pictures, [_resized(o[None].float(), p.shape[1:])[0] > 0.9 for o, p in zip(self.opaque, pictures, strict=True)]

    def _begin(self, level: _Level) -> tuple[torch.Tensor, torch.Tensor]:
        """The first picture, and matches: those of the blocks, else the best by comparing with all."""
        if self.start is not None:
            picture, matches = _resized(self.start, level.size), torch.full(level.size, -1, device=self.target.device)
        else:
            known = level.placed > 0.5
            room = min(min(_size(r, self.scales[0])) for r in self.references)
            block = max(self.options.patch, min(round(self.options.block * min(level.size)), room // 2, *level.size))
            picture, matches = quilt(
                level.guide, known, level.sources, level.usage, block, self.options.evenness, self.generator, self.wrap, self.alive
            )
        matches = matches.reshape(-1)
        at = (matches < 0).nonzero()[:, 0]
        if len(at):
            matches[at] = level.search(picture, level.theirs).exhaustive(at)[0]
        return picture, matches.view(level.size)

    def _exact(self, softened: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        """Placed pixels themselves, where the patches say nearly the same: what was resampled is not resampled once more."""
        difference = (self.target - picture).square().mean(0)
        difference = F.avg_pool2d(F.pad(difference[None, None], (4, 4, 4, 4), "replicate"), 9, stride=1)[0, 0]
        variance = torch.stack([r.flatten(1).var(1).mean() for r in self.references]).mean().clamp_min(1e-6)
        share = softened * torch.exp(-((difference / (0.1 * variance)) ** 2))
        return picture + share * (self.target - picture)

    def alive(self) -> None:
        self.told(self.step, self.steps, None)

    def _next(self, picture: torch.Tensor | None) -> None:
        self.step = min(self.step + 1, self.steps)
        self.told(self.step, self.steps, picture)


class _Level:
    """One size of the pyramid: what stays the same over its rounds."""

    def __init__(self, run: _Run, scale: float, turns: list[float], softened: torch.Tensor, guidance: float):
        self.options, self.wrap, self.generator, self.alive = run.options, run.wrap, run.generator, run.alive
        references, opaque = run.smaller(scale)
        self.size = _size(run.target, scale)
        self.sources = make_sources(references, turns, opaque)
        self.usage = Usage(self.sources, references)
        self.guide, self.placed = _guide(run.target, run.placed, self.size)
        self.weight = _resized(softened[None], self.size)[0].reshape(-1) * (guidance * self.options.patch**2)
        self.colours = self.sources.pictures.permute(0, 2, 3, 1).reshape(-1, 3)
        if self.size[0] * self.size[1] > _SEARCHED:
            return
        self.allowed = allowed_middles(self.sources.valid, self.options.patch)
        self.basis = patch_basis(self.sources.pictures, self.allowed, self.options.patch, self.options.dimensions)
        self.theirs = descriptors(self.sources.pictures, self.basis)
        self.variance = self.theirs[self.allowed].var(0).sum()

    def enlarged(self, coarser: Sources) -> torch.Tensor:
        """What has just been enlarged is compared with sources that were, too.

        Else it would find smooth places alone (Granot et al. 2022).
        """
        pictures = F.interpolate(coarser.pictures, self.sources.shape[1:], mode="bilinear", align_corners=False)
        return descriptors(pictures, self.basis)

    def search(self, picture: torch.Tensor, keys: torch.Tensor) -> Search:
        search = Search(descriptors(picture[None], self.basis, self.wrap)[0], keys, self.allowed, self.generator, self.alive)
        search.guided(self.guide.permute(1, 2, 0).reshape(-1, 3), self.weight, self.colours)
        return search

    def round(self, picture, matches, keys, sharpness: float, thorough: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Search the patches of the picture, draw the picture anew from what was found."""
        search = self.search(picture, keys)
        flat = matches.reshape(-1).clone()
        if self.options.evenness:
            often = (self.usage.of(flat, self.options.patch) - 1).clamp(0, _MOST_USED)
            search.priced((often * (self.options.evenness * _PRICE * self.variance)).reshape(-1))
        found = search.improve(flat, 2 if thorough else 1, float(_ENOUGH * self.variance))
        return self.draw(found.view(self.size), search.patch_distance(found).view(self.size), sharpness), found.view(self.size)

    def draw(self, matches: torch.Tensor, distances: torch.Tensor | None, sharpness: float) -> torch.Tensor:
        distances = torch.ones(self.size, device=matches.device) if distances is None else distances
        return vote(self.colours, matches, distances, self.sources.shape, self.options.patch, sharpness, self.wrap, self.alive)


def _scales(side: int, coarsest: int) -> list[float]:
    """Of the levels, coarse to fine, each twice the one before."""
    count = 1
    while side // 2**count >= coarsest:
        count += 1
    return [2.0**-k for k in reversed(range(count))]


def _between(first: float, last: float, level: int, levels: int) -> float:
    return last if levels == 1 else first + (last - first) * level / (levels - 1)


def _size(picture: torch.Tensor, scale: float) -> tuple[int, int]:
    return tuple(max(8, round(side * scale)) for side in picture.shape[1:])


def _resized(picture: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    if tuple(picture.shape[1:]) == tuple(size):
        return picture
    return F.interpolate(picture[None], tuple(size), mode="bilinear", antialias=True, align_corners=False)[0]


def _guide(target: torch.Tensor, placed: torch.Tensor, size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """The target at one size, and how much of each pixel is placed; what is not placed takes no part in it."""
    weight = _resized(placed[None], size)
    colour = _resized(target * placed, size) / weight.clamp_min(1e-3)
    return torch.where(weight > 1e-3, colour, _resized(target, size)), weight[0]


def _without_border(placed: torch.Tensor, width: int, wrap: tuple[bool, bool]) -> torch.Tensor:
    """What is placed counts less and less towards its border: there the picture must be free to join its neighbours.

    The edge of the picture is no border, unless it goes around.
    """
    inside = (placed > 0.5)[None, None].float()
    if width == 0 or (bool(inside.all()) and not any(wrap)):
        return placed
    distance, edges = torch.zeros_like(placed), ((1, 1, 0, 0, not wrap[0]), (0, 0, 1, 1, not wrap[1]))
    for _ in range(width):
        for *sides, value in edges:
            inside = F.pad(inside, sides, value=float(value))
        inside = -F.max_pool2d(-inside, 3, stride=1)
        distance += inside[0, 0]
    return placed * ((distance + 0.5) / width).clamp_max(1) * (placed > 0.5)


def _finer(matches: torch.Tensor, before: Sources, now: Sources, size: tuple[int, int]) -> torch.Tensor:
    """The matches of the level before, at twice the size: each pixel takes the place beside its neighbour's."""
    _, rows, columns = before.shape
    _, new_rows, new_columns = now.shape
    height, width = matches.shape
    device = matches.device
    y, x = (torch.arange(length, device=device) for length in size)
    old_y, old_x = y * height // size[0], x * width // size[1]
    found = matches[old_y[:, None], old_x[None, :]]
    beside_y, beside_x = y - -(-old_y * size[0] // height), x - -(-old_x * size[1] // width)
    # the middles of both stacks lie on each other
    new_y = ((found // columns % rows - (rows - 1) / 2) * 2 + (new_rows - 1) / 2 - 0.5).round().long() + beside_y[:, None]
    new_x = ((found % columns - (columns - 1) / 2) * 2 + (new_columns - 1) / 2 - 0.5).round().long() + beside_x[None, :]
    return (found // (rows * columns) * new_rows + new_y.clamp(0, new_rows - 1)) * new_columns + new_x.clamp(0, new_columns - 1)
