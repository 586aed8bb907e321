# SPDX-License-Identifier: GPL-3.0-or-later
"""One size of the pyramid: what stays the same over its rounds of search and vote."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from .given import Given
from .nearest import Search, allowed_middles, descriptors, patch_basis
from .resizing import resized, resized_part, size_of
from .sources import Pose, Sources, make_sources
from .start import quilt
from .usage import Usage
from .vote import vote

if TYPE_CHECKING:
    from .synthesis import Options

SEARCHED = 1280 * 1280  # px: at larger levels matches are only enlarged, so that memory and time stay bounded
ENOUGH = 2e-4  # of the variance: what is nearer needs no better match
_PRICE = 0.03  # of the variance: what a place costs that is used twice as often as the average
_MOST_USED = 10.0


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
    ):
        self.given, self.options, self.generator, self.alive = given, options, generator, alive
        references, opaque = given.sources(scale)
        self.scale, self.size = scale, size_of(given.target, scale)
        self.sources = make_sources(references, poses, opaque)
        leaning = given.leaning and given.leaning.resized(self.size)
        self.prices = None if leaning is None else leaning.prices()
        expected = None if leaning is None else leaning.expected([r.shape[1] * r.shape[2] for r in references])
        self.usage = Usage(self.sources, references, expected)
        self.guide, self.placed = resized_part(given.target, given.placed, self.size)
        self.kept = given.kept(self.size)
        self.weight = resized(softened[None], self.size)[0].reshape(-1) * (guidance * options.patch**2)
        self.colours = self.sources.pictures.permute(0, 2, 3, 1).reshape(-1, 3)
        if not self.searched:
            return
        self.allowed = allowed_middles(self.sources.valid, options.patch)
        self.basis = patch_basis(self.sources.pictures, self.allowed, options.patch, options.dimensions)
        self.theirs = descriptors(self.sources.pictures, self.basis)
        self.variance = self.theirs[self.allowed].var(0).sum()

    @property
    def searched(self) -> bool:
        """Whether patches are searched for at this size."""
        return self.size[0] * self.size[1] <= SEARCHED

    def begin(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The first picture, and matches: those of the blocks, else the best by comparing with all."""
        if self.given.start is not None:
            picture, matches = resized(self.given.start, self.size), torch.full(self.size, -1, device=self.guide.device)
        else:
            room = min(min(size_of(r, self.scale)) for r in self.given.references)
            block = max(self.options.patch, min(round(self.options.block * min(self.size)), room // 2, *self.size))
            prices = None if self.prices is None else self.prices.expand(-1, self.placed.numel()).view(-1, *self.size)
            picture, matches = quilt(
                self.guide, self.placed > 0.5, self.sources, self.usage, block, self.options.evenness, self.generator,
                self.given.wrap, self.alive, prices,
            )  # fmt: skip
        picture, matches = self.keep(picture), matches.reshape(-1)
        at = (matches < 0).nonzero()[:, 0]
        if len(at):
            matches[at] = self.search(picture, self.theirs).exhaustive(at)[0]
        return picture, matches.view(self.size)

    def enlarged(self, coarser: Sources) -> torch.Tensor:
        """What has just been enlarged is compared with sources that were, too.

        Else it would find smooth places alone (Granot et al. 2022).
        """
        pictures = F.interpolate(coarser.pictures, self.sources.shape[1:], mode="bilinear", align_corners=False)
        return descriptors(pictures, self.basis)

    def search(self, picture: torch.Tensor, keys: torch.Tensor) -> Search:
        ours = descriptors(picture[None], self.basis, self.given.wrap)[0]
        search = Search(ours, keys, self.allowed, self.generator, self.alive)
        search.guided(self.guide.permute(1, 2, 0).reshape(-1, 3), self.weight, self.colours)
        if self.prices is not None:
            search.leaning(self.prices * self.variance, self.sources.references)
        return search

    def round(self, picture, matches, keys, sharpness: float, thorough: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Search the patches of the picture, draw the picture anew from what was found."""
        search = self.search(picture, keys)
        flat = matches.reshape(-1).clone()
        if self.options.evenness:
            often = (self.usage.of(flat, self.options.patch) - 1).clamp(0, _MOST_USED)
            search.priced((often * (self.options.evenness * _PRICE * self.variance)).reshape(-1))
        found = search.improve(flat, 2 if thorough else 1, float(ENOUGH * self.variance))
        return self.draw(found.view(self.size), search.patch_distance(found).view(self.size), sharpness), found.view(self.size)

    def draw(self, matches: torch.Tensor, distances: torch.Tensor | None, sharpness: float) -> torch.Tensor:
        """The picture that the matches vote for; what stays is put back."""
        distances = torch.ones(self.size, device=matches.device) if distances is None else distances
        shape, patch = self.sources.shape, self.options.patch
        return self.keep(vote(self.colours, matches, distances, shape, patch, sharpness, self.given.wrap, self.alive))

    def keep(self, picture: torch.Tensor) -> torch.Tensor:
        """With the pixels that stay."""
        return picture if self.kept is None else torch.where(*self.kept, picture)
