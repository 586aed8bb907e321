# SPDX-License-Identifier: GPL-3.0-or-later
"""One size of the pyramid: what stays the same over its rounds of search and vote."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from .given import Given
from .leaning import pose_prices
from .meeting import bridges
from .nearest import Search, allowed_middles, descriptors, pad, patch_basis, variance_of
from .resizing import resized, resized_part, size_of
from .seams import cut, offers
from .sources import Pose, Sources, make_sources
from .start import grown, quilt
from .usage import Usage
from .vote import vote

if TYPE_CHECKING:
    from .synthesis import Options

ENOUGH = 2e-4  # of the variance: what is nearer needs no better match
_PRICE = 0.03  # of the variance: what a place costs that is used twice as often as the average
_MOST_USED = 10.0
_GOING_ON = 0.25  # of the shorter side: how far around a piece it may go on in the first layout
_JOINT = 0.02  # of the variance: what a cut costs where both sides agree
_WANTED = 2.0  # a good cut is no reason to leave a reference or pose that is wanted
_EVENLY = 64  # of sorted patches, that are compared


class Level:
    """guide (3, h, w), placed (h, w): the target; sources, theirs: the references and their descriptors; variance: of these.

    softened (H, W): how much what is placed counts; guidance: how much it does against the patches.
    """

    def __init__(
        self,
        given: Given,
        options: Options,
        scale: float,
        poses: list[Pose],
        softened: torch.Tensor,
        guidance: float,
        generator: torch.Generator,
        alive: Callable[[], None],
        searched: bool = True,
    ):
        self.searched = searched
        self.given, self.options, self.generator, self.alive = given, options, generator, alive
        references, opaque = given.sources(scale)
        self.scale, self.size = scale, size_of(given.target, scale)
        self.sources = make_sources(references, poses, opaque)
        leaning = given.leaning and given.leaning.resized(self.size)
        self.prices = None if leaning is None else leaning.prices()[self.sources.references]
        expected = None if leaning is None else leaning.expected([r.shape[1] * r.shape[2] for r in references])
        self.usage, self._used, self.poses = Usage(self.sources, references, expected), None, len(poses)
        self._grown = self._pieces = torch.full(self.size, -1, device=given.target.device)
        self.guide, self.placed = resized_part(given.target, given.placed, self.size)
        self.kept = given.kept(self.size)
        self._opened = None if given.opened is None else resized(given.opened[None].float(), self.size)[0] > 0
        self.held = guidance * options.patch**2
        self.weight = resized(softened[None], self.size)[0].reshape(-1) * self.held
        self.colours = self.sources.pictures.permute(0, 2, 3, 1).reshape(-1, 3)
        if not searched:
            return
        self._seen = _softened(self.sources.pictures, self.sources.valid).permute(0, 2, 3, 1).reshape(-1, 3)
        self.allowed = allowed_middles(self.sources.valid, options.patch)
        self.basis = patch_basis(self.sources.pictures, self.allowed, options.patch, options.dimensions)
        self.theirs = descriptors(self.sources.pictures, self.basis, valid=self.sources.valid)
        self.variance = variance_of(self.theirs, self.allowed)

    def begin(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The first picture, and matches: those of the blocks, else the best by comparing with all."""
        if self.given.start is not None:
            picture, matches = resized(self.given.start, self.size), torch.full(self.size, -1, device=self.guide.device)
        else:
            room = min(min(size_of(r, self.scale)) for r in self.given.references)
            block = max(self.options.patch, min(round(self.options.block * min(self.size)), room // 2, *self.size))
            known, guide = (self.placed > 0.5) | (self._grown >= 0), self.guide
            guide = torch.where(self._grown >= 0, self.colours[self._grown.clamp_min(0)].permute(2, 0, 1), guide)
            picture, matches = quilt(
                guide, known, self.sources, self.usage, block, self.options.evenness, self.generator,
                self.given.wrap, self.alive, self._prices_of_places(), self._used,
                () if self._opened is None else bridges(self._opened, block, self.given.wrap),
            )  # fmt: skip
            matches = torch.where(self._grown >= 0, self._grown, matches)
            self.hold(picture)
            picture, matches = self._cut_anew(picture, matches, block)
        picture, matches = self.keep(picture), matches.reshape(-1)
        at = (matches < 0).nonzero()[:, 0]
        if len(at):
            matches[at] = self.search(picture, self.theirs).exhaustive(at)[0]
        return picture, matches.view(self.size)

    def _cut_anew(self, picture: torch.Tensor, matches: torch.Tensor, block: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The same pieces and blocks with other borders, where they agree. matches (h, w): −1 for what is placed, whose picture stays."""
        background = matches >= 0
        if not bool(background.any()):
            return picture, matches
        search = self.search(picture, self.theirs)
        offered = offers([(self._pieces, round(_GOING_ON * min(self.size))), (matches, block // 2)], search, self.given.wrap)
        often = self.usage.of(torch.cat([self._pieces[self._pieces >= 0], matches[background]]), self.options.patch)
        prices = torch.stack([self._price(one.clamp_min(0), often.reshape(-1)) for one in offered])
        chosen = cut(offered, prices, search, float(_JOINT * self.variance), self.given.wrap, self.alive)
        chosen = torch.where(background, torch.where(chosen < 0, matches, chosen), self._pieces)
        return torch.where(background, self.colours[chosen.clamp_min(0)].permute(2, 0, 1), picture), chosen

    def _price(self, matches: torch.Tensor, often: torch.Tensor) -> torch.Tensor:
        """(h, w): of matches (h, w), besides their patches. often (S·h·w,): how often each place is used, 1 as expected."""
        price = self.weight.view(self.size) * (self.colours[matches] - self.guide.permute(1, 2, 0)).square().sum(-1)
        price = price + (often[matches] - 1).clamp(0, _MOST_USED) * (self.options.evenness * _PRICE * self.variance)
        if self.prices is None:
            return price
        lean = self._prices_of_places().gather(0, (matches // self.sources.valid[0].numel())[None])[0]
        return price + lean * (_WANTED * self.variance)

    def hold(self, picture: torch.Tensor) -> None:
        """Of a first layout, what lies across edges that do not meet counts as if it were placed.

        Without, both sides would go on to where their reference ends, which may be just there.
        """
        if self._opened is not None and self.given.start is None:
            outside = pad((~self._opened)[None, None].float(), self.options.patch // 2 - 1, self.given.wrap)
            within = F.max_pool2d(outside, self.options.patch // 2 * 2 - 1, stride=1)[0, 0] == 0
            self.guide = torch.where(within, picture, self.guide)
            self.weight = torch.where(within.reshape(-1), self.held, self.weight)

    def look_at_what_is_placed(self, found: int, growth: int) -> None:
        """The background uses other places of the references, and goes on in the poses of the pieces that are near.

        found: how many of the poses are those of pieces; the others were asked for. growth: px around a piece that are as around the
        place where it was cut.
        """
        inner = self.inner()
        at = inner.reshape(-1).nonzero()[:, 0]
        if not len(at):
            return
        matches = self.search(self.guide, self.theirs).exhaustive(at)[0]
        self._used = torch.bincount(self.usage.place[matches], minlength=self.usage.places)
        of_each = torch.full((inner.numel(),), -1, device=at.device)
        of_each[at] = matches
        self._pieces = of_each.view(self.size)
        if growth:
            self._grown = grown(of_each.view(self.size), self.placed > 0.5, self.sources, growth + self.options.patch // 2, self.given.wrap)
            if self._opened is not None:  # what was let go would come back
                self._grown[self._opened] = -1
            self._used += torch.bincount(self.usage.place[self._grown[self._grown >= 0]], minlength=self.usage.places)
        if self.poses == 1:
            return
        poses = torch.where(of_each < 0, -1, of_each // self.sources.valid[0].numel() % self.poses)
        prices = pose_prices(poses, self.poses, self.size, self.given.wrap)
        prices[found:] = 0
        prices *= self.placed <= 0.5
        self.prices = self._combined(prices.flatten(1).repeat(len(self.given.references), 1))

    def inner(self) -> torch.Tensor:
        """(h, w) bool: the middles of patches that are placed as a whole."""
        outside = pad((self.placed <= 0.5)[None, None].float(), self.options.patch // 2, self.given.wrap)
        return F.max_pool2d(outside, self.options.patch, stride=1)[0, 0] < 0.5

    def detail(self) -> torch.Tensor:
        """(h, w): how far the target's patches are from even ones, in the units of the search's distances."""
        around = pad(torch.cat([self.guide, self.guide.square()])[None], self.options.patch // 2, self.given.wrap)
        mean, squares = F.avg_pool2d(around, self.options.patch, stride=1)[0].split(len(self.guide))
        return (squares - mean.square()).sum(0).clamp_min(0) * self.options.patch**2

    def _wanted(self) -> torch.Tensor:
        """(h·w, 3): what is placed, as it is compared with `_seen`."""
        return _softened(self.guide[None], (self.weight.view(1, *self.size) > 0))[0].permute(1, 2, 0).reshape(-1, 3)

    def _combined(self, prices: torch.Tensor) -> torch.Tensor:
        return prices if self.prices is None else prices + self.prices

    def _prices_of_places(self) -> torch.Tensor | None:
        return None if self.prices is None else self.prices.expand(-1, self.placed.numel()).view(-1, *self.size)

    def enlarged(self, coarser: Sources) -> torch.Tensor:
        """What has just been enlarged is compared with sources that were, too.

        Else it would find smooth places alone (Granot et al. 2022).
        """
        pictures = F.interpolate(coarser.pictures, self.sources.shape[1:], mode="bilinear", align_corners=False)
        return descriptors(pictures, self.basis, valid=self.sources.valid)

    def reminded(self, picture: torch.Tensor, trust: float) -> torch.Tensor:
        """With what is placed itself, as far as it counts and is like the references, before it is enlarged.

        Where a piece was moved by half a pixel of this size its matches lie to both sides; from here the next size finds the right ones.
        """
        if not self.options.exact or not self.held:
            return picture
        return picture + (self.weight / self.held).view(self.size) * trust * (self.guide - picture)

    def search(self, picture: torch.Tensor, keys: torch.Tensor) -> Search:
        ours = descriptors(picture[None], self.basis, self.given.wrap)[0]
        search = Search(ours, keys, self.allowed, self.generator, self.alive)
        search.guided(self._wanted(), self.weight, self._seen)
        if self.prices is not None:
            search.leaning(self.prices * self.variance)
        return search

    def round(self, picture, matches, keys, sharpness: float, thorough: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Search the patches of the picture, draw the picture anew from what was found."""
        flat = matches.reshape(-1).clone()
        search = self._priced(picture, keys, flat)
        found = search.improve(flat, 2 if thorough else 1, float(ENOUGH * self.variance))
        return self.draw(found.view(self.size), search.patch_distance(found).view(self.size), sharpness), found.view(self.size)

    def beside(self) -> tuple[torch.Tensor, torch.Tensor]:
        """What the patches of the picture drawn last say is to the right of, and below, each pixel."""
        right, below = (vote(*self._drawn, self.given.wrap, self.alive, beside) for beside in ((0, 1), (1, 0)))
        return right, below

    def apart(self, picture: torch.Tensor) -> float:
        """How far the picture's patches, all together, are from the references', wherever they are (Pitié et al. 2005), of the variance."""
        even = torch.linspace(0, 1, _EVENLY, device=picture.device)
        ours, theirs = descriptors(picture[None], self.basis, self.given.wrap)[0].flatten(0, 1), self.theirs[self.allowed]
        theirs = theirs[torch.linspace(0, len(theirs) - 1, min(len(theirs), len(ours)), device=theirs.device).long()]
        return float((ours.float().quantile(even, 0) - theirs.float().quantile(even, 0)).square().mean(0).sum() / self.variance)

    def _priced(self, picture: torch.Tensor, keys: torch.Tensor, matches: torch.Tensor) -> Search:
        """A search in which places are dear that the matches (n,) use too often."""
        search = self.search(picture, keys)
        if self.options.evenness:
            often = (self.usage.of(matches, self.options.patch) - 1).clamp(0, _MOST_USED)
            search.priced((often * (self.options.evenness * _PRICE * self.variance)).reshape(-1))
        return search

    def draw(self, matches: torch.Tensor, distances: torch.Tensor | None, sharpness: float) -> torch.Tensor:
        """The picture that the matches vote for; what stays is put back."""
        distances = torch.ones(self.size, device=matches.device) if distances is None else distances
        self._drawn = (self.colours, matches, distances, self.sources.shape, self.options.patch, sharpness)
        return self.keep(vote(*self._drawn, self.given.wrap, self.alive))

    def keep(self, picture: torch.Tensor) -> torch.Tensor:
        """With the pixels that stay."""
        return picture if self.kept is None else torch.where(*self.kept, picture)


def _softened(pictures: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """(S, 3, h, w), the mean of 3 × 3 pixels, of valid ones (S, h, w): single pixels of what was resampled are like many places."""
    share = F.avg_pool2d(F.pad(valid[:, None].float(), (1, 1, 1, 1)), 3, stride=1)
    mean = F.avg_pool2d(F.pad(pictures * valid[:, None], (1, 1, 1, 1)), 3, stride=1) / share.clamp_min(0.1)
    return torch.where(valid[:, None], mean, pictures)
