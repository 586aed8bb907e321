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
_AT_ONCE = {"cpu": 1 << 14}  # pixels whose descriptors are gathered together: so many stay in a processor's cache
_MANY = 1 << 18  # on any other device
_TILE = 1024  # places that are compared with at once
_ENOUGH = 1 << 16  # places whose descriptors say how far all vary
_BAND = 32  # px: rows, and steps of columns, in which what is nobody's is left out


class Search:
    """From the pixels of one picture (H, W) to those of the sources (S, h, w).

    ours (H, W, D), theirs (S, h, w, D): descriptors, of any precision. allowed (S, h, w): which pixels may be matched.
    alive: called often; may raise.
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
        found = torch.empty(len(matches), device=matches.device)
        at_once = _AT_ONCE.get(found.device.type, _MANY)
        for first in range(0, len(matches), at_once):
            part = slice(first, first + at_once)
            ours = self.ours[part] if at is None else self.ours.index_select(0, at[part])
            theirs = self.theirs.index_select(0, matches[part])
            torch.sum((theirs.float() - ours.float()).square_(), 1, out=found[part])
        return found

    def distance(self, matches: torch.Tensor, at: torch.Tensor | None = None) -> torch.Tensor:
        """With all that counts besides: what is searched for the least of."""
        self.alive()
        return self._with_the_rest(self.patch_distance(matches, at), matches, at)

    def nearer(self, matches: torch.Tensor, at: torch.Tensor, best: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Which of the matches of the pixels `at` (n,) are nearer than `best` (n,), by their numbers (m,), and how far they are (m,)."""
        self.alive()
        found = self.patch_distance(matches, at)
        some = (found < best).nonzero()[:, 0]  # nothing that counts besides is below 0
        found = self._with_the_rest(found.index_select(0, some), matches.index_select(0, some), at.index_select(0, some))
        nearer = (found < best.index_select(0, some)).nonzero()[:, 0]
        return some.index_select(0, nearer), found.index_select(0, nearer)

    def _with_the_rest(self, found: torch.Tensor, matches: torch.Tensor, at: torch.Tensor | None) -> torch.Tensor:
        if self._guide is not None:
            guide, weight, colours = self._guide
            guide, weight = (guide, weight) if at is None else (guide.index_select(0, at), weight.index_select(0, at))
            found += weight * (colours.index_select(0, matches) - guide).square_().sum(1)
        if self._price is not None:
            found += self._price.index_select(0, matches)
        return found if self._lean is None else found + self._leaned(matches, at)

    def _leaned(self, matches: torch.Tensor, at: torch.Tensor | None) -> torch.Tensor:
        own = matches // (self.shape[1] * self.shape[2])
        if self._lean.shape[1] == 1:
            return self._lean[own, 0]
        return self._lean[own, torch.arange(len(matches), device=own.device) if at is None else at]

    def chance(self) -> torch.Tensor:
        """A random match for each pixel, (H·W,)."""
        return self._anywhere(self.height * self.width)

    def exhaustive(self, at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The best match of the pixels `at` (n,) by their patches, and by leaning, compared with every place, and its distance."""
        theirs, tiles = self.theirs.index_select(0, self.places), self._tiles()
        squares = [theirs[tile].float().square_().sum(1) for _, tile in tiles]
        found, far = [], []

        def compared(some: torch.Tensor, number: int) -> torch.Tensor:
            source, tile = tiles[number]
            far = torch.addmm(squares[number], self.ours.index_select(0, some).float(), theirs[tile].float().T, alpha=-2)
            return far if self._lean is None else far.add_(self._lean[source].expand(self.height * self.width)[some, None])

        for some in at.split(_TILE // 2):
            self.alive()
            least, where = torch.stack([compared(some, number).amin(1) for number in range(len(tiles))]).min(0)
            matches = torch.empty_like(some)
            for number in where.unique().tolist():  # which place of the tile it was, for those alone whose it is
                mine = (where == number).nonzero()[:, 0]
                matches[mine] = self.places[tiles[number][1]][compared(some[mine], number).argmin(1)]
            found.append(matches)
            far.append((least + self.ours.index_select(0, some).float().square_().sum(1)).clamp_min(0))
        return torch.cat(found), torch.cat(far)

    def _tiles(self) -> list[tuple[int, slice]]:
        """Of the places, with the number of the source that they are of: what is compared with at once stays in the cache."""
        ends = torch.bincount(self.places // (self.shape[1] * self.shape[2]), minlength=self.shape[0]).cumsum(0).tolist()
        begins = [0, *ends[:-1]]
        return [
            (source, slice(first, min(first + _TILE, end)))
            for source, (begin, end) in enumerate(zip(begins, ends, strict=True))
            for first in range(begin, end, _TILE)
        ]

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
                    self._take(matches, at, best, *self._handed_over(matches, at, dy, dx))
            self._take(matches, at, best, self._anywhere(len(at)), None)
            radius = max(self.shape[1:]) // 2
            while radius >= 1:
                self._take(matches, at, best, *self._around(matches[at], radius))
                radius //= 4
        return matches

    def _take(self, matches, at, best, candidates, open: torch.Tensor | None) -> None:
        """A better candidate goes into `matches`, its distance into `best`. open (n,) bool: those that may be matched; None: all."""
        other = candidates != matches.index_select(0, at)
        asked = (other if open is None else other & open).nonzero()[:, 0]
        candidates = candidates.index_select(0, asked)
        nearer, distance = self.nearer(candidates, at.index_select(0, asked), best.index_select(0, asked))
        asked = asked.index_select(0, nearer)
        matches[at.index_select(0, asked)] = candidates.index_select(0, nearer)
        best[asked] = distance

    def _handed_over(self, matches, at, dy: int, dx: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What the neighbours at (−dy, −dx) match, moved by (dy, dx). Around the edges of the picture, where it does no harm."""
        theirs = matches.view(self.height, self.width).roll((dy, dx), (0, 1)).view(-1).index_select(0, at)
        return theirs + (dy * self.shape[2] + dx), self.to_allowed(dy, dx).index_select(0, theirs)

    def to_allowed(self, dy: int, dx: int) -> torch.Tensor:
        """(S·h·w,) bool: from where one comes to an allowed place of the same source when one moves by (dy, dx)."""
        allowed, (_, height, width) = self.allowed.view(self.shape), self.shape
        allowed = F.pad(allowed, (max(-dx, 0), max(dx, 0), max(-dy, 0), max(dy, 0)))[:, max(dy, 0) :, max(dx, 0) :]
        return allowed[:, :height, :width].reshape(-1)

    def _anywhere(self, count: int) -> torch.Tensor:
        return self.places[self._random(0, len(self.places), (count,))]

    def _around(self, matches: torch.Tensor, radius: int) -> tuple[torch.Tensor, torch.Tensor]:
        candidates, inside = self.moved(matches, *self._random(-radius, radius + 1, (2, len(matches))))
        return candidates, inside & self.allowed.index_select(0, candidates)

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


def descriptors(
    pictures: torch.Tensor, basis: torch.Tensor, wrap: tuple[bool, bool] = (False, False), valid: torch.Tensor | None = None
) -> torch.Tensor:
    """(S, C, h, w) → (S, h, w, D) float16: patches around each pixel, projected. wrap: (x, y), whether edges go around; else they mirror.

    In half precision they are read in half the time, and alike patches stay alike to the last bit.
    valid (S, h, w): where they are wanted; far from there they are 0. None: everywhere.
    """
    padded, more = pad(pictures, basis.shape[-1] // 2, wrap), basis.shape[-1] - 1
    padded, basis = (x.contiguous(memory_format=torch.channels_last) for x in (padded, basis))
    count, _, height, width = pictures.shape
    valid = pictures.new_ones(1, 1, 1, dtype=torch.bool).expand(count, height, width) if valid is None else valid
    made = pictures.new_zeros(count, height, width, len(basis), dtype=torch.float16)
    for number, rows, columns in _bands(valid):
        part = padded[number : number + 1, :, rows.start : rows.stop + more, columns.start : columns.stop + more]
        made[number, rows, columns] = F.conv2d(part, basis)[0].permute(1, 2, 0)
    return made


def _bands(valid: torch.Tensor) -> list[tuple[int, slice, slice]]:
    """Source, rows and columns of boxes that hold all that is valid, and little else: a source turned lies in a square twice its size."""
    _, height, width = valid.shape
    columns = F.pad(valid, (0, -width % _BAND, 0, -height % _BAND)).unflatten(1, (-1, _BAND)).unflatten(3, (-1, _BAND)).any(4).any(2)
    found = []
    for number, band in columns.any(2).nonzero().tolist():
        there = columns[number, band].nonzero()[:, 0].tolist()
        rows = slice(band * _BAND, min((band + 1) * _BAND, height))
        found.append((number, rows, slice(there[0] * _BAND, min((there[-1] + 1) * _BAND, width))))
    return found


def pad(pictures: torch.Tensor, reach: int, wrap: tuple[bool, bool]) -> torch.Tensor:
    """`reach` pixels on all sides of (S, C, h, w)."""
    x = F.pad(pictures, (reach, reach, 0, 0), "circular" if wrap[0] else "reflect")
    return F.pad(x, (0, 0, reach, reach), "circular" if wrap[1] else "reflect")


def patch_basis(pictures: torch.Tensor, allowed: torch.Tensor, size: int, dimensions: int, most: int = 12_000) -> torch.Tensor:
    """The main axes of the sources' patches as filters (D, C, size, size): distances in them are those of whole patches, nearly.

    allowed (S, h, w): the middles of whole patches, of which at most `most`, evenly spread, are looked at.
    """
    channels, reach = pictures.shape[1], size // 2
    _, height, width = allowed.shape
    places = _evenly(allowed.reshape(-1).nonzero()[:, 0], most)
    line = torch.arange(-reach, reach + 1, device=places.device)
    around = torch.arange(channels, device=places.device)[:, None, None] * (height * width) + line[:, None] * width + line
    middles = places + places // (height * width) * ((channels - 1) * height * width)  # in (S, C, h, w)
    rows = pictures.reshape(-1).index_select(0, (middles[:, None] + around.view(-1)).view(-1)).view(len(places), -1)
    rows = rows - rows.mean(0)
    _, vectors = torch.linalg.eigh((rows.T @ rows / len(rows)).double())
    kept = vectors.flip(1)[:, :dimensions].T
    return kept.reshape(-1, channels, size, size).to(pictures.dtype)


def allowed_middles(valid: torch.Tensor, size: int) -> torch.Tensor:
    """(S, h, w): where a whole patch lies inside its source."""
    holes = F.pad((~valid)[:, None].float(), (size // 2,) * 4, value=1.0)
    return F.max_pool2d(F.max_pool2d(holes, (1, size), stride=1), (size, 1), stride=1)[:, 0] < 0.5


def variance_of(theirs: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Of the patches of the sources (S, h, w, D), as their descriptors have it; of enough of them. allowed (S, h, w)."""
    places = _evenly(allowed.reshape(-1).nonzero()[:, 0], _ENOUGH)
    return theirs.flatten(0, 2).index_select(0, places).float().var(0).sum()


def _evenly(places: torch.Tensor, most: int) -> torch.Tensor:
    return places[torch.linspace(0, len(places) - 1, min(len(places), most), device=places.device).long()]
