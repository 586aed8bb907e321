# SPDX-License-Identifier: GPL-3.0-or-later
"""Calmer matches: whole pieces that are joined where they agree, instead of each pixel's own best patch (Kwatra et al. 2003).

Each pixel pays for how far its patch is, and for each of the twelve around it that does not go on in the same piece: what both pieces
differ by at that place, and a little for the joint itself. Pixels take over their neighbours' pieces as long as that costs less
(iterated conditional modes, in five colours, so that no two that pay for each other change at once).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from .nearest import Search

_SIDES = ((0, 1), (0, -1), (1, 0), (-1, 0))
_RING = tuple((dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if 0 < abs(dy) + abs(dx) <= 2)
_COLOURS = 5  # (x + 2 y) mod 5 is another one throughout the ring
_FAR = (1, 2, 4, 1, 8, 2, 1)  # px from which pieces are taken over, one a sweep
_ROOM = max(_FAR)  # px around the picture
_AT_ONCE = 1 << 13  # pixels that are looked at together: what belongs to so many stays in a processor's cache


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
    """The picture with room around it, so that a pixel beside another is at a constant distance in memory."""

    def __init__(self, matches, search: Search, layers, joint: float, price: float, wrap, alive):
        self.rows, self.columns = matches.shape
        self.search, self.layers, self.wrap, self.alive = search, layers, wrap, alive
        self.joint, self.price, self.stride = joint, price, self.columns + 2 * _ROOM
        self.ring = torch.tensor(_RING, device=matches.device)
        self.open = _open(search.shape, self.ring)
        self.matches = self._roomy(matches, -1)  # −1: nothing is there
        self.far = search.distance(matches.reshape(-1))
        self.time, self.changed = 0, self._roomy(torch.zeros_like(matches, dtype=torch.int32), 0)

    def swept(self) -> torch.Tensor:
        last: dict[tuple[int, int], int] = {}
        plain = torch.arange(self.rows * self.columns, device=self.far.device)
        y, x = plain // self.columns, plain % self.columns
        colours = [plain[(x + 2 * y) % _COLOURS == colour] for colour in range(_COLOURS)]
        room = (y + _ROOM) * self.stride + x + _ROOM
        for step in _FAR:
            for colour, of_colour in enumerate(colours):
                self.alive()
                at = of_colour[self._asked(room[of_colour], step, last.get((step, colour), 0))]
                last[step, colour] = self.time = self.time + 1
                if len(at):
                    self._improve(at, room[at], step)
        return self.matches[room].view(self.rows, self.columns)

    def _asked(self, place: torch.Tensor, step: int, since: int) -> torch.Tensor:
        """Which of the pixels are within `step` of a joint, and have seen something change around them since that time, by number."""
        mine, near = self.matches[place], torch.zeros(len(place), dtype=torch.bool, device=place.device)
        for dy, dx in _SIDES:
            theirs = self.matches[place + self._along(dy, dx, step)]
            near |= (theirs >= 0) & (theirs != mine + self._in_source(dy, dx, step))
        near = near.nonzero()[:, 0]
        if since:
            around = place[near, None] + (self.ring[:, 0] * self.stride + self.ring[:, 1])
            recent = torch.maximum(self.changed[around].amax(1), self.changed[place[near]])
            near = near[recent >= since]
        return near

    def _improve(self, at: torch.Tensor, place: torch.Tensor, step: int) -> None:
        """at: pixels, place: the same in what has room around it."""
        best = self.far[at] + self._joints(place, self.matches[place])
        for dy, dx in _SIDES:
            self._offer(at, place, best, dy, dx, step)

    def _offer(self, at, place, best, dy: int, dx: int, step: int) -> None:
        """Let the pixels go on with the piece of the pixel at (−dy, −dx) · step, where that costs less."""
        theirs = self.matches[place - self._along(dy, dx, step)]
        wanted = theirs + self._in_source(dy, dx, step)
        allowed = self.search.to_allowed(dy * step, dx * step).index_select(0, theirs.clamp_min(0))
        asked = (allowed & (theirs >= 0) & (wanted != self.matches[place])).nonzero()[:, 0]
        nearer, far = self.search.nearer(wanted[asked], at[asked], best[asked])
        asked = asked[nearer]
        cost = far + self._joints(place[asked], wanted[asked], best[asked] - far)
        better = (cost < best[asked]).nonzero()[:, 0]
        asked = asked[better]
        best[asked], self.far[at[asked]] = cost[better], far[better]
        self.matches[place[asked]], self.changed[place[asked]] = wanted[asked], self.time
        self._around(self.matches)
        self._around(self.changed)

    def _joints(self, place: torch.Tensor, matches: torch.Tensor, limit: torch.Tensor | None = None) -> torch.Tensor:
        """What the joints of the pixels `place` (n,) to those around them cost, were they to match `matches`; as much as four neighbours'.

        limit (n,): what costs more is of no interest, and need not be told exactly.
        """
        limit = matches.new_full((1,), torch.inf, dtype=torch.float32).expand(len(place)) if limit is None else limit
        parts = zip(*(part.split(_AT_ONCE) for part in (place, matches, limit)), strict=True)
        return torch.cat([self._joints_of(*part) for part in parts])

    def _joints_of(self, place: torch.Tensor, matches: torch.Tensor, limit: torch.Tensor) -> torch.Tensor:
        beside, moves = self.ring[:, 0] * self.stride + self.ring[:, 1], self.ring[:, 0] * self.search.shape[2] + self.ring[:, 1]
        bits = 1 << torch.arange(len(_RING), device=place.device, dtype=self.open.dtype)
        theirs = self.matches.index_select(0, (place[:, None] + beside).view(-1)).view(-1, len(_RING))
        inside = (self.open.index_select(0, matches)[:, None] & bits) != 0
        apart = ~(inside & (matches[:, None] + moves == theirs)) & (theirs >= 0)
        total, share = self.joint * apart.sum(1), len(_SIDES) / len(_RING)
        number, way = (apart & (total * share < limit)[:, None]).nonzero().unbind(1)
        mine, theirs, inside, move = matches[number], theirs[number, way], inside[number, way], moves[way]
        known = (self.open.index_select(0, theirs) & bits.flip(0)[way]) != 0  # the opposite way is as far from the other end of the ring
        differ = self._difference(mine, torch.where(known, theirs - move, mine))
        differ += self._difference(torch.where(inside, mine + move, theirs), theirs)
        return total.index_add(0, number, self.price * torch.where(known & inside, differ, differ + 1)) * share

    def _difference(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        return (self.layers.index_select(0, one) - self.layers.index_select(0, other)).square_().sum(1)

    def _along(self, dy: int, dx: int, step: int) -> int:
        return (dy * self.stride + dx) * step

    def _in_source(self, dy: int, dx: int, step: int) -> int:
        return (dy * self.search.shape[2] + dx) * step

    def _roomy(self, board: torch.Tensor, outside: int) -> torch.Tensor:
        board = F.pad(board, (_ROOM,) * 4, value=outside).view(-1)
        self._around(board)
        return board

    def _around(self, board: torch.Tensor) -> None:
        """What lies beyond edges that go around."""
        board = board.view(-1, self.stride)
        for axis, around in ((1, self.wrap[0]), (0, self.wrap[1])):
            if around:
                length = board.shape[axis] - 2 * _ROOM
                outer = torch.cat([torch.arange(_ROOM), torch.arange(_ROOM) + length + _ROOM]).to(board.device)
                board.index_copy_(axis, outer, board.index_select(axis, (outer - _ROOM) % length + _ROOM))


def _open(shape: tuple[int, int, int], ring: torch.Tensor) -> torch.Tensor:
    """(S·h·w,) int16: of each place of the sources, a bit for each of the ring that is in the same source."""
    count, height, width = shape
    y, x = (torch.arange(side, device=ring.device) for side in (height, width))
    found = torch.zeros(height, width, dtype=torch.int16, device=ring.device)
    for number, (dy, dx) in enumerate(ring.tolist()):
        rows, columns = (y + dy >= 0) & (y + dy < height), (x + dx >= 0) & (x + dx < width)
        found |= (rows[:, None] & columns).to(torch.int16) << number
    return found.view(-1).repeat(count)
