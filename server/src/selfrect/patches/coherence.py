# SPDX-License-Identifier: GPL-3.0-or-later
"""Calmer matches: whole pieces that are joined where they agree, instead of each pixel's own best patch (Kwatra et al. 2003).

Each pixel pays for how far its patch is, and for each of the twelve around it that does not go on in the same piece: what both pieces
differ by at that place, and a little for the joint itself. Pixels take over their neighbours' pieces as long as that costs less
(iterated conditional modes, in five colours, so that no two that pay for each other change at once).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from .nearest import Search

_SIDES = ((0, 1), (0, -1), (1, 0), (-1, 0))
_RING = tuple((dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if 0 < abs(dy) + abs(dx) <= 2)
_COLOURS = 5  # (x + 2 y) mod 5 is another one throughout the ring
_FAR = (1, 2, 4, 1, 8, 2, 1)  # px from which pieces are taken over, one a sweep


def coherent(
    matches: torch.Tensor,
    search: Search,
    layers: torch.Tensor,
    joint: float,
    price: float,
    wrap: tuple[bool, bool] = (False, False),
    alive: Callable[[], None] = lambda: None,
) -> torch.Tensor:
    """matches (H, W) → (H, W). layers (S·h·w, C): what has to agree at a joint, of all sources.

    joint: what each joint costs; price: of a squared difference there. Both in the units of the search's distances.
    """
    return _Board(matches, search, layers, joint, price, wrap, alive).swept()


class _Board:
    def __init__(self, matches, search: Search, layers, joint: float, price: float, wrap, alive):
        self.rows, self.columns = matches.shape
        self.matches, self.search, self.layers = matches.reshape(-1).clone(), search, layers
        self.joint, self.price, self.wrap, self.alive = joint, price, wrap, alive
        self.far = search.distance(self.matches)

    def swept(self) -> torch.Tensor:
        for step in _FAR:
            for colour in range(_COLOURS):
                self.alive()
                at = self._at_joints(colour, step)
                if not len(at):
                    continue
                best = self.far[at] + self._joints(at, self.matches[at])
                for dy, dx in _SIDES:
                    best = self._offer(at, best, dy * step, dx * step)
        return self.matches.view(self.rows, self.columns)

    def _offer(self, at, best, dy: int, dx: int) -> torch.Tensor:
        """Let the pixels go on with the piece of the pixel at (−dy, −dx), where that costs less."""
        other, there = self._beside(at, -dy, -dx)
        candidates, inside = self.search.moved(self.matches[other], dy, dx)
        asked = (inside & there & self.search.allowed[candidates] & (candidates != self.matches[at])).nonzero()[:, 0]
        some, wanted = at[asked], candidates[asked]
        far = self.search.distance(wanted, some)
        cost = far + self._joints(some, wanted)
        better = cost < best[asked]
        asked, some = asked[better], some[better]
        self.matches[some], self.far[some] = wanted[better], far[better]
        best[asked] = cost[better]
        return best

    def _joints(self, at: torch.Tensor, matches: torch.Tensor) -> torch.Tensor:
        """What the joints of the pixels `at` (n,) to those around them cost, were they to match `matches`; as much as four neighbours'."""
        total = torch.zeros(len(at), device=at.device)
        for dy, dx in _RING:
            other, there = self._beside(at, dy, dx)
            theirs = self.matches[other]
            going_on, inside = self.search.moved(matches, dy, dx)
            apart = (~(inside & (going_on == theirs)) & there).nonzero()[:, 0]
            coming, known = self.search.moved(theirs[apart], -dy, -dx)
            one = (self.layers[matches[apart]] - self.layers[coming]).square().sum(1)
            two = (self.layers[going_on[apart]] - self.layers[theirs[apart]]).square().sum(1)
            unknown = ~(known & inside[apart])
            total[apart] += self.joint + self.price * torch.where(unknown, one + two + 1, one + two)
        return total * (len(_SIDES) / len(_RING))

    def _at_joints(self, colour: int, reach: int) -> torch.Tensor:
        """Pixels of one colour that are within `reach` of a joint."""
        board = self.matches.view(self.rows, self.columns)
        index = torch.arange(len(self.matches), device=board.device)
        near = torch.zeros(len(self.matches), dtype=torch.bool, device=board.device)
        for dy, dx in _SIDES:
            other, there = self._beside(index, dy * reach, dx * reach)
            going_on, inside = self.search.moved(self.matches, dy * reach, dx * reach)
            near |= there & ~(inside & (going_on == self.matches[other]))
        return (near & ((index // self.columns * 2 + index % self.columns) % _COLOURS == colour)).nonzero()[:, 0]

    def _beside(self, at: torch.Tensor, dy: int, dx: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The pixels at (dy, dx) from others, and whether there are such."""
        y, x = at // self.columns + dy, at % self.columns + dx
        there = torch.ones_like(at, dtype=torch.bool)
        if not self.wrap[0]:
            there &= (x >= 0) & (x < self.columns)
        if not self.wrap[1]:
            there &= (y >= 0) & (y < self.rows)
        return y % self.rows * self.columns + x % self.columns, there
