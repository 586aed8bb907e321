# SPDX-License-Identifier: GPL-3.0-or-later
"""A first layout of the background: blocks of the reference that go on with what is there (Efros and Freeman 2001), placed things first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

from .correlation import Correlation
from .sources import Sources
from .usage import Usage

_ALIKE = 1.1  # one of the blocks that fit up to this much worse than the best is taken, by chance
_DEAR = 0.25  # of the variance: the price of a place once used throughout
_FORBIDDEN = 100.0  # of the variance: no source that costs more is used
_TORN = 0.1  # of the variance
_NOTHING = 0.02  # of a block: less that is known cannot guide


def quilt(
    picture: torch.Tensor,
    known: torch.Tensor,
    sources: Sources,
    usage: Usage,
    block: int,
    evenness: float,
    generator: torch.Generator,
    wrap: tuple[bool, bool] = (False, False),
    alive: Callable[[], None] = lambda: None,
    prices: torch.Tensor | None = None,
    used: torch.Tensor | None = None,
    first: Sequence[tuple[torch.Tensor, torch.Tensor]] = (),
) -> tuple[torch.Tensor, torch.Tensor]:
    """picture (3, H, W), known (H, W) bool: what is placed. Returns the picture filled, and the matches (H, W) of what was filled,
    −1 where it was known. block: px, at most what fits into the sources. wrap: (x, y), blocks reach around the edges.
    prices (S, H, W) of each source at each pixel, of the variance, or None; where one is above all measure the source is not used.
    used: how often each place is used by what is known, or None. first: rows (b, 1) and columns (b,) of blocks that are laid before others.
    """
    picture, known = picture.clone(), known.clone()
    matches = torch.full(known.shape, -1, dtype=torch.long, device=known.device)
    layout = _Blocks(sources, block, evenness, generator)
    counts = torch.zeros(usage.places, device=known.device) if used is None else used.float()
    ahead, rest = list(first), _blocks(tuple(known.shape), block, generator, wrap, known.device)
    while waiting := ahead or rest:
        alive()
        fractions = torch.stack([known[part].float().mean() for part in waiting]).cpu()
        number = int(torch.where(fractions < 1, fractions, -1.0).argmax())
        rows, columns = part = waiting.pop(number)
        if fractions[number] == 1:
            continue
        while not bool(known[part].all()):  # once, but where several references meet
            new, dear = ~known[part], None if prices is None else prices[:, rows, columns]
            wish = None if dear is None else (dear * new).mean((1, 2))
            place = layout.fitting(picture[:, rows, columns], known[part], usage.of_counts(counts, 1), wish)
            from_source, numbers = layout.cut(place)
            if dear is not None:
                new &= dear[layout.source(place)] < _FORBIDDEN
            picture[:, rows, columns] = torch.where(new, from_source, picture[:, rows, columns])
            matches[part] = torch.where(new, numbers, matches[part])
            counts += torch.bincount(usage.place[numbers[new]], minlength=usage.places)
            known[part] = known[part] | new
    return picture, matches


def grown(
    matches: torch.Tensor, placed: torch.Tensor, sources: Sources, steps: int, wrap: tuple[bool, bool] = (False, False)
) -> torch.Tensor:
    """What was around a piece where it was cut goes on around it: matches (H, W), −1 for none, of what is placed (H, W) bool.

    Returns those of `steps` px around it, as far as the references reach, −1 elsewhere.
    """
    _, rows, columns = sources.shape
    valid, found = sources.valid.reshape(-1), matches
    beside = [(0, 1), (0, -1), (1, 0), (-1, 0)]
    for step in range(steps):
        before = found
        for dy, dx in beside if step % 2 else reversed(beside):
            theirs = before.roll((dy, dx), (0, 1))
            came_in = _came_in(placed.shape, dy, dx, wrap, placed.device)
            x, y = theirs % columns + dx, theirs // columns % rows + dy
            there = (theirs >= 0) & ~came_in & (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
            moved = torch.where(there, theirs + dy * columns + dx, 0)
            found = torch.where((found < 0) & there & valid[moved], moved, found)
    found = torch.where(placed, -1, found)
    return torch.where(_torn(found, sources, wrap), -1, found)


def _torn(matches: torch.Tensor, sources: Sources, wrap: tuple[bool, bool]) -> torch.Tensor:
    """(H, W) bool: where what has grown from different pieces meets and does not fit: there something in between is to be found."""
    columns = sources.shape[2]
    colours = sources.pictures.permute(0, 2, 3, 1).reshape(-1, sources.pictures.shape[1])
    limit = _TORN * sources.pictures.permute(1, 0, 2, 3)[:, sources.valid].var(1).sum()
    torn = torch.zeros(matches.shape, dtype=torch.bool, device=matches.device)
    for dy, dx in ((0, 1), (1, 0)):
        beside = matches.roll((-dy, -dx), (0, 1))
        both = (matches >= 0) & (beside >= 0) & ~_came_in(matches.shape, -dy, -dx, wrap, matches.device)
        said, is_there = (matches + dy * columns + dx).clamp(0, len(colours) - 1), beside.clamp_min(0)
        off = both & ((colours[said] - colours[is_there]).square().sum(-1) > limit)
        torn |= off | off.roll((dy, dx), (0, 1))
    return F.max_pool2d(torn[None].float(), 3, stride=1, padding=1)[0] > 0.5


class _Blocks:
    """All blocks of the sources, named by their upper left corners."""

    def __init__(self, sources: Sources, block: int, evenness: float, generator: torch.Generator):
        self.sources, self.block, self.evenness, self.generator = sources, block, evenness, generator
        pictures = sources.pictures
        self.correlation = Correlation(torch.cat([pictures, pictures.square().sum(1, keepdim=True)], 1))
        self.whole = F.max_pool2d((~sources.valid)[:, None].float(), block, stride=1)[:, 0] < 0.5
        self.variance = pictures.permute(1, 0, 2, 3)[:, sources.valid].var(1).sum()

    def fitting(self, picture: torch.Tensor, known: torch.Tensor, used: torch.Tensor, wish: torch.Tensor | None = None) -> int:
        """A block that agrees with what is known of `picture` (3, b, b). used (S, h, w): how often each place is, 1 as expected.
        wish (S,): price of each source, of the variance.
        """
        new = (~known).to(picture.dtype)
        mask, guided = known[None].to(picture.dtype), bool(known.float().mean() > _NOTHING)
        block = torch.cat([-2 * picture * mask, mask])[: 4 if guided else 0] / mask.sum().clamp_min(1)
        dear = new * (_DEAR * self.evenness * self.variance / new.sum())
        cost = self.correlation.with_block(block, used, dear).to(picture.dtype)
        if guided:
            cost = (cost + (picture.square() * mask).sum() / mask.sum()).clamp_min(0)
        if wish is not None:
            cost = cost + (wish * self.variance)[:, None, None]
        cost = torch.where(self.whole, cost, torch.inf).reshape(-1)
        good = (cost <= cost.min() * _ALIKE + 1e-5 * self.variance).nonzero()[:, 0]
        return int(good[int(torch.randint(0, len(good), (1,), generator=self.generator))])

    def source(self, place: int) -> int:
        """Which one the block is of."""
        return place // self.whole[0].numel()

    def cut(self, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The block's picture (3, b, b) and the numbers of its pixels (b, b)."""
        _, height, width = self.sources.shape
        rows, columns = self.whole.shape[1:]
        s, y, x = place // (rows * columns), place // columns % rows, place % columns
        line = torch.arange(self.block, device=self.whole.device)
        numbers = (s * height + y + line[:, None]) * width + x + line
        return self.sources.pictures[s, :, y : y + self.block, x : x + self.block], numbers


def _came_in(size: tuple[int, int], dy: int, dx: int, wrap: tuple[bool, bool], device: torch.device) -> torch.Tensor:
    """(H, W) bool: what a roll by (dy, dx) brings in over an edge that does not go around."""
    over = torch.zeros(size, dtype=torch.bool, device=device)
    if dx and not wrap[0]:
        over[:, 0 if dx > 0 else -1] = True
    if dy and not wrap[1]:
        over[0 if dy > 0 else -1] = True
    return over


def _blocks(
    size: tuple[int, int], block: int, generator: torch.Generator, wrap: tuple[bool, bool], device: torch.device
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Rows (b, 1) and columns (b,) of blocks that overlap by a third and cover all; the grid begins by chance."""
    stride = max(1, block * 2 // 3)
    first = torch.randint(-stride + 1, 1, (2,), generator=generator).tolist()
    line, lines = torch.arange(block, device=device), []
    for length, begin, around in zip(size, first, reversed(wrap), strict=True):
        inside = sorted({min(max(k, 0), length - block) for k in range(begin, length, stride)})
        begin = -(block // 2)  # across the edge, so that none ends there
        starts = range(begin, begin + length, stride) if around else inside
        lines.append([(line + k) % length for k in starts])
    return [(rows[:, None], columns) for rows in lines[0] for columns in lines[1]]
