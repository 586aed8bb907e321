# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture whose every patch is one of the reference's and whose layout is the target's, coarse to fine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..searched import SEARCHED
from .correspondence import Correspondence
from .given import Given
from .joining import joining
from .leaning import Leaning
from .level import ENOUGH, Level
from .meeting import let_go
from .resizing import finer, resized, resized_part, scales_of, size_of
from .sources import Pose, Sources
from .turns import apart, find_poses

_ASKED_AT = 144  # px of the shorter side, of the pictures that turns are looked for in
_SOURCES = 12e6  # px of all sources together
_SIZES = (0.5, 0.71, 1.41, 2.0)  # that pieces are looked for at
_MORE = 2  # layouts where edges go around: less fits together there
_TRIED = 2  # rounds after which the best of the layouts is chosen
_DETAIL = 0.15  # of the detail of a patch: it may be as far from the references', for it was turned, and resampled
_JOINT, _LEAST_JOINT = 2.0, 0.01  # from how many times the median distance on, plus a part of the variance, pieces do not fit


@dataclass(frozen=True)
class Options:
    """patch: px. coarsest: px of the shorter side of the smallest level. rounds: of search and vote a level, coarsest to finest.

    guidance: how much what is placed counts against the patches, at the coarsest and at the finest level. evenness: how dear a
    source pixel becomes that is used more often than others. sharpness: of the votes, and of the very last one. border: how far
    from its border what is placed counts less, part of the shorter side. block: of the first layout, part of the same.
    exact: whether placed pixels that the patches agree with are kept as they are. turns: radians, or None: found from the target;
    angles: radians, further ones. flips: whether mirrored copies of the references take part, too; scales: and larger or smaller ones.
    wary: pieces that were placed mirrored, larger or smaller are looked for as well. joined: how far steps of brightness between
    pieces are spread, and growth: how far around a piece it is as around the place it was cut from, both part of the shorter side.
    layouts: that are tried at the coarsest level, for the one that has the most of the references in it.
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
    angles: tuple[float, ...] = ()
    flips: bool = False
    scales: tuple[float, ...] = ()
    wary: bool = False
    dimensions: int = 24
    layouts: int = 4
    joined: float = 0.23
    growth: float = 0.08
    seed: int = 0


@dataclass(frozen=True)
class Synthesis:
    """picture (3, H, W) in [0, 1]. poses: those used. unlike: how far what is placed is from the references, see `find_poses`."""

    picture: torch.Tensor
    correspondence: Correspondence
    poses: list[Pose]
    unlike: float

    @property
    def turns(self) -> list[float]:
        """Radians."""
        return list(dict.fromkeys(pose.angle for pose in self.poses))


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
    fixed: torch.Tensor | None = None,
    weights: Sequence[float] | None = None,
    regions: Sequence[torch.Tensor | None] | None = None,
    opened: torch.Tensor | None = None,
) -> Synthesis:
    """target (3, H, W) and references (3, h, w) in [0, 1]; placed (H, W) in [0, 1]. Same device, float32.

    wrap: (x, y), edges that go around. start: a picture (3, H, W) that takes the place of the first layout. told: step, steps and
    the picture where there is a new one; called several times a second, may raise. opaque: of each reference, (h, w) bool.
    fixed: (H, W) bool, pixels that stay as they are and that the others go on from; what is not placed there does not count.
    weights, regions: how much each reference is wanted, and where, see `Leaning`. opened: (H, W) bool, where nothing is placed because
    edges do not meet; it is added to what is found.
    """
    opaque = opaque or [torch.ones(r.shape[1:], dtype=torch.bool, device=r.device) for r in references]
    fixed = None if fixed is None else fixed & (placed > 0.5)
    leaning = Leaning.of(len(references), weights, regions, target)
    return _Run(Given(target, placed, references, opaque, wrap, start, fixed, leaning, opened), options, told).run()


class _Run:
    def __init__(self, given: Given, options: Options, told: Told):
        self.given, self.options, self.told = given, options, told
        self.generator = torch.Generator().manual_seed(options.seed)
        self.scales = scales_of(given.least_side, options.coarsest)
        self.counts = [round(_between(*options.rounds, n, len(self.scales))) for n in range(len(self.scales))]
        free = given.start is None and given.leaning is None and bool((given.placed < 0.5).any())
        self.layouts = options.layouts + (_MORE if any(given.wrap) else 0) if free else 1
        self.tried = min(_TRIED, self.counts[0])
        self.step, self.steps = 0, sum(self.counts) + 1 + self.layouts + self.tried * (self.layouts - 1)

    def run(self) -> Synthesis:
        poses, unlike = self._poses()
        trust = self.trust = 1 / (1 + (unlike / 0.1) ** 2)  # what was drawn only roughly gives way to the reference's detail
        border = round(self.options.border * self.given.side)
        whole = self._whole(poses)
        softened = _without_border(self.given.placed, border, self.given.wrap) * whole
        level = picture = matches = before = change = None
        for number, scale in enumerate(self.scales):
            guidance = _between(self.options.guidance[0], self.options.guidance[1] * trust, number, len(self.scales))
            coarser, level = level, self._level(scale, poses, softened, guidance)
            if picture is None:
                picture, matches = self._first(level)
            else:
                matches = finer(matches, before.shape, level.sources.shape, level.size)
                picture = level.keep(resized(coarser.reminded(picture, trust), level.size))
                picture, matches = self._rounds(level, picture, matches, before, number)
            before = level.sources
            if level.searched and not self._searched(number + 1):
                change = self._joining(level, softened, picture)
        picture = self._exact(picture, self.given.target, self._share(softened, picture, self.given.target))
        picture = level.keep(picture + resized(change, level.size))
        field = Correspondence.of(matches, before, self.given.references)
        return Synthesis(picture.clamp(0, 1), field, poses, unlike)

    def _level(self, scale: float, poses: list[Pose], softened: torch.Tensor, guidance: float) -> Level:
        searched = scale not in self.scales or self._searched(self.scales.index(scale))
        return Level(self.given, self.options, scale, poses, softened, guidance, self.generator, self.alive, searched)

    def _searched(self, number: int) -> bool:
        """Whether there is a level of this number at which patches are searched for: at the first always."""
        size = size_of(self.given.target, self.scales[number]) if number < len(self.scales) else None
        return number == 0 or (size is not None and size[0] * size[1] <= SEARCHED)

    def _first(self, level: Level) -> tuple[torch.Tensor, torch.Tensor]:
        if self.given.start is None:
            level.look_at_what_is_placed(self.found, round(self.options.growth * self.trust * min(level.size)))
        tries = []
        for _ in range(self.layouts):
            picture, matches = level.begin()
            self._next(picture)
            picture, matches = self._rounds(level, picture, matches, None, 0, range(self.tried))
            tries.append((level.apart(picture) if self.layouts > 1 else 0.0, picture, matches))
        _, picture, matches = min(tries, key=lambda one: one[0])
        level.hold(picture)
        return self._rounds(level, picture, matches, None, 0, range(self.tried, self.counts[0]))

    def _rounds(self, level: Level, picture, matches, before: Sources | None, number: int, rounds: range | None = None):
        if not level.searched:
            self._next(picture)
            return level.draw(matches, None, self.options.sharpness[1]), matches
        for k in range(self.counts[number]) if rounds is None else rounds:
            last = number == len(self.scales) - 1 and k == self.counts[number] - 1
            keys = level.enlarged(before) if k == 0 and before is not None else level.theirs
            picture, matches = level.round(picture, matches, keys, self.options.sharpness[last], thorough=number == 0)
            self._next(picture)
        return picture, matches

    def _poses(self) -> tuple[list[Pose], float]:
        """Found on pictures that are as small as their detail allows."""
        scale = min(1.0, _ASKED_AT / self.given.least_side)
        target, weight = resized_part(self.given.target, self.given.placed, size_of(self.given.target, scale))
        asked = weight > 0.9, *self.given.sources(scale), self.generator, self.alive
        flips, scales = self.options.flips or self.options.wary, {*self.options.scales, *(_SIZES if self.options.wary else ())}
        poses, unlike = find_poses(target, *asked, flips, sorted(scales))
        self._next(None)
        poses = poses if self.options.turns is None else [Pose(angle) for angle in self.options.turns]
        self.found = len(poses)
        poses = poses + self._further(poses)
        return poses[: self._most_poses(max(1.0, *(pose.scale for pose in poses)))], unlike

    def _further(self, poses: list[Pose]) -> list[Pose]:
        """Poses that are asked for besides those found."""
        upright = [pose for pose in poses if pose.scale == 1 and not pose.mirrored] or poses[:1]
        angles = [a for a in self.options.angles if all(apart(a, pose.angle) > 1 for pose in upright)]
        further = [Pose(angle) for angle in angles]
        further += [Pose(pose.angle, True) for pose in upright + further if self.options.flips]
        further += [Pose(poses[0].angle, False, scale) for scale in self.options.scales]
        return [pose for pose in further if pose not in poses]

    def _whole(self, poses: list[Pose]) -> torch.Tensor:
        """(H, W) in [0, 1]: small where pieces that were placed side by side do not fit, for no patch of the references looks like that.

        Measured against what is usual in this target, so that one that was only drawn roughly keeps its layout. Where edges do not meet
        by this measure, what is placed there is let go.
        """
        scale = min(1.0, _ASKED_AT / self.given.side)
        level = self._level(scale, poses, self.given.placed, 0.0)
        search = level.search(level.guide, level.theirs)
        found = search.improve(search.chance(), 3, float(ENOUGH * level.variance))
        unlike = search.patch_distance(found).view(level.size)
        placed = level.placed > 0.9
        if not bool(placed.any()):
            return torch.ones_like(self.given.placed)
        self.given = let_go(self.given, level.guide, placed, unlike, self.options.seed)
        inner = level.inner()  # patches across the border of a piece are no measure of it
        usual = unlike[inner if bool(inner.any()) else placed].median()
        limit = _JOINT * usual + _LEAST_JOINT * level.variance + _DETAIL * level.detail()
        whole = torch.where(inner, 1 / (1 + (unlike / limit) ** 2), 1.0)
        whole = -F.max_pool2d(-whole[None], self.options.patch, stride=1, padding=self.options.patch // 2)
        return resized(whole, tuple(self.given.placed.shape))[0]

    def _most_poses(self, scale: float) -> int:
        """So that memory is bounded: of the poses, the most used come first. scale: the largest one."""
        largest = scale**2 * sum(math.hypot(*r.shape[1:]) ** 2 for r in self.given.references)
        searched = self.given.target.shape[1] * self.given.target.shape[2] <= SEARCHED
        return max(1, int((_SOURCES if searched else 3 * _SOURCES) // largest))

    def _share(self, softened: torch.Tensor, picture: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """(H, W): of placed pixels themselves, where the patches say nearly the same: what was resampled is not resampled once more."""
        if not self.options.exact:
            return torch.zeros_like(softened)
        difference = (target - picture).square().mean(0)
        difference = F.avg_pool2d(F.pad(difference[None, None], (4, 4, 4, 4), "replicate"), 9, stride=1)[0, 0]
        variance = torch.stack([r.flatten(1).var(1).mean() for r in self.given.references]).mean().clamp_min(1e-6)
        return softened * torch.exp(-((difference / (0.1 * variance)) ** 2))

    @staticmethod
    def _exact(picture: torch.Tensor, target: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        return picture + share * (target - picture)

    def _joining(self, level: Level, softened: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        """What is to be added to the picture of a level so that no borders between places are seen; nothing where pixels stay."""
        if not self.options.joined:
            return torch.zeros_like(picture)
        share = self._share(resized(softened[None], level.size)[0], picture, level.guide)
        targets = level.guide, level.guide.roll(-1, 2), level.guide.roll(-1, 1)
        views = zip((picture, *level.beside()), targets, strict=True)
        reach = self.options.joined * min(level.size)
        return joining(*(self._exact(*view, share) for view in views), self.given.wrap, reach, level.kept and level.kept[0])

    def alive(self) -> None:
        self.told(self.step, self.steps, None)

    def _next(self, picture: torch.Tensor | None) -> None:
        self.step = min(self.step + 1, self.steps)
        self.told(self.step, self.steps, picture)


def _between(first: float, last: float, level: int, levels: int) -> float:
    return last if levels == 1 else first + (last - first) * level / (levels - 1)


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
