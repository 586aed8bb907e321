# SPDX-License-Identifier: GPL-3.0-or-later
"""Nearest patches by propagation and random search (PatchMatch: Barnes, Shechtman, Finkelstein, Goldman 2009), all pixels at once.

A match is one number: the index of a source pixel in (S, h, w), the middle of its patch. Patches are compared by descriptors
whose squared distance is about that of the patches (see `descriptors`).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

_STEPS = (8, 4, 2, 1)  # px from which neighbours hand over their matches, as in jump flooding: a good one crosses the picture soon
_AT_ONCE = 1 << 18  # pixels whose descriptors are gathered together


class Search:
    """From the pixels of one picture (H, W) to those of the sources (S, h, w).

    ours (H, W, D), theirs (S, h, w, D): descriptors. allowed (S, h, w): which pixels may be matched. alive: called often; may raise.
    """

    def __init__(self, ours, theirs, allowed, generator: torch.Generator, alive: Callable[[], None] = lambda: None):
        self.height, self.width = ours.shape[:2]
        self.shape = tuple(theirs.shape[:3])
        self.ours, self.theirs = ours.reshape(-1, ours.shape[2]), theirs.reshape(-1, theirs.shape[3])
        self.allowed, self.places = allowed.reshape(-1), allowed.reshape(-1).nonzero()[:, 0]
        self.generator, self.alive = generator, alive
        self._guide = self._price = self._lean = None

    def guided(self, guide: torch.Tensor, weight: torch.Tensor, colours: torch.Tensor) -> None:
        """Let distances also count how far a match's own pixel is from a wanted colour.

        guide (H·W, C), weight (H·W,): wanted, and how much. colours (S·h·w, C): of the sources.
        """
        self._guide = (guide, weight, colours)

    def priced(self, price: torch.Tensor) -> None:
        """Let distances also count a price of each source pixel, (S·h·w,)."""
        self._price = price

    def leaning(self, prices: torch.Tensor) -> None:
        """Let distances also count prices (S, H·W) or (S, 1) of each source at each pixel."""
        self._lean = prices

    def patch_distance(self, matches: torch.Tensor, at: torch.Tensor | None = None) -> torch.Tensor:
        """Squared, of the patches alone, of the pixels `at` (n,) or of all, (n,)."""
        parts = []
        for first in range(0, len(matches), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            ours = self.ours[part] if at is None else self.ours[at[part]]
            parts.append((ours - self.theirs[matches[part]]).square_().sum(1))
        return torch.cat(parts) if parts else self.ours.new_zeros(0)

    def distance(self, matches: torch.Tensor, at: torch.Tensor | None = None) -> torch.Tensor:
        """With all that counts besides: what is searched for the least of."""
        self.alive()
        found = self.patch_distance(matches, at)
        if self._guide is not None:
            guide, weight, colours = self._guide
            guide, weight = (guide, weight) if at is None else (guide[at], weight[at])
            found += weight * (guide - colours[matches]).square_().sum(1)
        found = found if self._price is None else found + self._price[matches]
        return found if self._lean is None else found + self._leaned(matches, at)

    def _leaned(self, matches: torch.Tensor, at: torch.Tensor | None) -> torch.Tensor:
        own = matches // (self.shape[1] * self.shape[2])
        if self._lean.shape[1] == 1:
            return self._lean[own, 0]
        return self._lean[own, torch.arange(len(matches), device=own.device) if at is None else at]

    def chance(self) -> torch.Tensor:
        """A random match for each pixel, (H·W,)."""
        return self._anywhere(self.height * self.width)[0]

    def exhaustive(self, at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The best match of the pixels `at` (n,) by their patches, and by leaning, compared with every place, and its distance."""
        theirs = self.theirs[self.places]
        squares = theirs.square().sum(1)
        found, far = [], []
        for some in at.split(max(1, (1 << 24) // len(theirs))):
            self.alive()
            compared = torch.addmm(squares, self.ours[some], theirs.T, alpha=-2)
            if self._lean is not None:
                own = self.places // (self.shape[1] * self.shape[2])
                compared += self._lean.expand(-1, self.height * self.width)[:, some].T[:, own]
            best = compared.min(1)
            found.append(self.places[best.indices])
            far.append((best.values + self.ours[some].square().sum(1)).clamp_min(0))
        return torch.cat(found), torch.cat(far)

    def improve(self, matches: torch.Tensor, rounds: int = 1, enough: float = 0.0) -> torch.Tensor:
        """Better matches (H·W,) for all pixels whose distance is above `enough`.

        Each round: what neighbours match, shifted along with them; then random places, ever nearer to the match that there is.
        """
        best = self.distance(matches)
        at = (best > enough).nonzero()[:, 0]
        best = best[at]
        for _ in range(rounds if len(at) else 0):
            for step in _STEPS:
                for dy, dx in ((0, step), (0, -step), (step, 0), (-step, 0)):
                    best = self._take(matches, at, best, *self._handed_over(matches, at, dy, dx))
            best = self._take(matches, at, best, *self._anywhere(len(at)))
            radius = max(self.shape[1:]) // 2
            while radius >= 1:
                best = self._take(matches, at, best, *self._around(matches[at], radius))
                radius //= 4
        return matches

    def _take(self, matches, at, best, candidates, inside) -> torch.Tensor:
        """Where a candidate is better, it goes into `matches`; the new distances."""
        distance = self.distance(candidates, at)
        better = (distance < best) & inside & self.allowed[candidates]
        matches[at] = torch.where(better, candidates, matches[at])
        return torch.where(better, distance, best)

    def _handed_over(self, matches, at, dy: int, dx: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What the neighbours at (−dy, −dx) match, moved by (dy, dx). Around the edges of the picture, where it does no harm."""
        y, x = (at // self.width - dy) % self.height, (at % self.width - dx) % self.width
        return self.moved(matches[y * self.width + x], dy, dx)

    def _anywhere(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = self.places[self._random(0, len(self.places), (count,))]
        return chosen, torch.ones_like(chosen, dtype=torch.bool)

    def _around(self, matches: torch.Tensor, radius: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.moved(matches, *self._random(-radius, radius + 1, (2, len(matches))))

    def _random(self, low: int, high: int, shape: tuple[int, ...]) -> torch.Tensor:
        """Drawn on the CPU: the same seed is the same picture on every device."""
        return torch.randint(low, high, shape, generator=self.generator).to(self.places.device)

    def moved(self, matches: torch.Tensor, dy, dx) -> tuple[torch.Tensor, torch.Tensor]:
        """The matches moved within their source; where that is not possible the second is False."""
        _, height, width = self.shape
        x, rest = matches % width + dx, matches // width
        y = rest % height + dy
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        return (rest // height * height + y.clamp(0, height - 1)) * width + x.clamp(0, width - 1), inside


def descriptors(pictures: torch.Tensor, basis: torch.Tensor, wrap: tuple[bool, bool] = (False, False)) -> torch.Tensor:
    """(S, C, h, w) → (S, h, w, D): patches around each pixel, projected. wrap: (x, y), whether edges go around; else they mirror."""
    reach = basis.shape[-1] // 2
    made = [F.conv2d(pad(picture[None], reach, wrap), basis)[0].permute(1, 2, 0) for picture in pictures]
    return torch.stack([one.contiguous() for one in made])


def pad(pictures: torch.Tensor, reach: int, wrap: tuple[bool, bool]) -> torch.Tensor:
    """`reach` pixels on all sides of (S, C, h, w)."""
    x = F.pad(pictures, (reach, reach, 0, 0), "circular" if wrap[0] else "reflect")
    return F.pad(x, (0, 0, reach, reach), "circular" if wrap[1] else "reflect")


def patch_basis(pictures: torch.Tensor, allowed: torch.Tensor, size: int, dimensions: int, most: int = 12_000) -> torch.Tensor:
    """The main axes of the sources' patches as filters (D, C, size, size): distances in them are those of whole patches, nearly.

    allowed (S, h, w): the middles of whole patches, of which at most `most`, evenly spread, are looked at.
    """
    channels, reach = pictures.shape[1], size // 2
    places = allowed.nonzero()
    places = places[torch.linspace(0, len(places) - 1, min(len(places), most), device=places.device).long()]
    offsets = torch.arange(-reach, reach + 1, device=places.device)
    s, y, x = places.T[:, :, None, None]
    rows = pictures.permute(0, 2, 3, 1)[s, y + offsets[:, None], x + offsets].permute(0, 3, 1, 2).reshape(len(places), -1)
    rows = (rows - rows.mean(0)).double()
    _, vectors = torch.linalg.eigh(rows.T @ rows / len(rows))
    kept = vectors.flip(1)[:, :dimensions].T
    return kept.reshape(-1, channels, size, size).to(pictures.dtype)


def allowed_middles(valid: torch.Tensor, size: int) -> torch.Tensor:
    """(S, h, w): where a whole patch lies inside its source."""
    reach = size // 2
    holes = F.pad((~valid)[:, None].float(), (reach,) * 4, value=1.0)
    return F.max_pool2d(holes, size, stride=1)[:, 0] < 0.5
