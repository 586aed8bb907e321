# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the pieces and blocks of a first layout meet: all cuts at once, through what both sides agree about (Kwatra et al. 2003).

Each pixel has a few offers: to go on with the piece or block that it is of, or with one nearby. It pays for the offer that it takes and,
for each neighbour that goes on with something else, for what the patches of the two differ by there. About the least of all is found
by min-sum belief propagation (Felzenszwalb and Huttenlocher 2006), over the offers of each pixel alone (Komodakis and Tziritas 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

from .nearest import Search, pad, variance_of

_OFFERS = 10
_PIECES = 64  # the largest: the others go on nowhere
_ROUNDS, _DAMPED = 20, 0.5
_AFTERWARDS = 6  # rounds in which pixels choose one after the other
_AXES = ((0, 1), (1, 0))


def offers(layouts: Sequence[tuple[torch.Tensor, int]], search: Search, wrap: tuple[bool, bool]) -> torch.Tensor:
    """layouts: matches (H, W), −1 for none, and how far, px, their pieces may go on. Returns (K, H, W), −1 for none, the nearest first."""
    found = [_going_on(matches, reach, search, wrap) for matches, reach in layouts if bool((matches >= 0).any())]
    far, matches = (torch.cat(parts) for parts in zip(*found, strict=True))
    far, order = far.sort(dim=0, stable=True)
    return torch.where(far.isfinite(), matches.gather(0, order), -1)[:_OFFERS]


def _going_on(matches: torch.Tensor, reach: int, search: Search, wrap: tuple[bool, bool]) -> tuple[torch.Tensor, torch.Tensor]:
    """(L, H, W): how far pixels are from each of the pieces, inf where it does not reach, and what they match when they go on with it."""
    _, rows, columns = search.shape
    height, width = matches.shape
    y, x = torch.arange(height, device=matches.device)[:, None], torch.arange(width, device=matches.device)
    source, down, right = matches // (rows * columns), matches // columns % rows - y + height, matches % columns - x + width
    names = torch.where(matches >= 0, (source * (rows + height) + down) * (columns + width) + right, -1)
    kept, counts = names[names >= 0].unique(return_counts=True)
    kept = kept[counts.argsort(descending=True, stable=True)[:_PIECES]][:, None, None]
    homes = names == kept
    y, x = _beside(y, homes, 1, height, wrap[1]), _beside(x, homes, 2, width, wrap[0])
    there_y, there_x = kept // (columns + width) % (rows + height) - height + y, kept % (columns + width) - width + x
    inside = (there_y >= 0) & (there_y < rows) & (there_x >= 0) & (there_x < columns)
    found = (kept // (columns + width) // (rows + height) * rows + there_y.clamp(0, rows - 1)) * columns + there_x.clamp(0, columns - 1)
    far = _far(homes, reach, wrap)
    return torch.where((far <= reach) & inside & (homes | search.allowed[found]), far, torch.inf), found


def _beside(line: torch.Tensor, homes: torch.Tensor, axis: int, length: int, around: bool) -> torch.Tensor:
    """Where pixels are, seen from a piece: around an edge they are beyond it."""
    if not around:
        return line
    many = homes.sum((1, 2), keepdim=True)
    middle = (homes * line).sum((1, 2), keepdim=True) / many
    return torch.where(homes, line, line - length * ((line - middle) / length).round().long())


def _far(homes: torch.Tensor, reach: int, wrap: tuple[bool, bool]) -> torch.Tensor:
    """(L, H, W): px, from 0 to reach + 1."""
    near = homes[:, None].float()
    total = near.clone()
    for _ in range(reach):
        near = F.max_pool2d(pad(near, 1, wrap), 3, stride=1)
        total += near
    return reach + 1 - total[:, 0]


def cut(
    offered: torch.Tensor,
    prices: torch.Tensor,
    search: Search,
    joint: float,
    wrap: tuple[bool, bool] = (False, False),
    alive: Callable[[], None] = lambda: None,
) -> torch.Tensor:
    """offered (K, H, W), −1 for none; prices (K, H, W) of them, joint: what a cut costs anywhere, all in the units of the search's
    distances. Returns the matches (H, W), −1 where nothing is offered.
    """
    offered, prices = offered.permute(1, 2, 0).contiguous(), prices.permute(1, 2, 0)
    never = float(prices[offered >= 0].max()) * 10 + 1
    prices = torch.where(offered >= 0, prices, never).contiguous()
    costs = [_costs(offered, search, step, joint, around) for step, around in zip(_AXES, wrap, strict=True)]
    chosen = _believed(prices, costs, alive)
    for _ in range(_AFTERWARDS):
        alive()
        chosen = _chosen_again(chosen, prices, costs)
    return offered.gather(2, chosen[..., None])[..., 0]


def _costs(offered: torch.Tensor, search: Search, step: tuple[int, int], joint: float, around: bool) -> torch.Tensor:
    """(H, W, K, K): of each offer of a pixel beside each of the neighbour's at `step`."""
    keys, allowed = search.theirs, search.allowed
    mine, theirs = offered.clamp_min(0), offered.clamp_min(0).roll((-step[0], -step[1]), (0, 1))
    going_on, inside = search.moved(mine, *step)
    coming, known = search.moved(theirs, -step[0], -step[1])
    same = inside[..., :, None] & (going_on[..., :, None] == theirs[..., None, :])
    one_known = allowed[mine][..., :, None] & (known & allowed[coming])[..., None, :]
    two_known = (inside & allowed[going_on])[..., :, None] & allowed[theirs][..., None, :]
    unlike = variance_of(keys.view(*search.shape, -1), allowed.view(search.shape))  # where there is nothing to compare: as usual
    one = torch.where(one_known, _squared(keys[mine], keys[coming]), unlike)
    two = torch.where(two_known, _squared(keys[going_on], keys[theirs]), unlike)
    both = (offered >= 0)[..., :, None] & (offered >= 0).roll((-step[0], -step[1]), (0, 1))[..., None, :]
    cost = torch.where(same | ~both, 0.0, one + two + joint)
    if not around:
        cost.narrow(0 if step[0] else 1, -1, 1).zero_()
    return cost


def _squared(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """(H, W, K, D) and the same → (H, W, K, K)."""
    one, other = one.float(), other.float()
    return (one.square().sum(-1)[..., :, None] + other.square().sum(-1)[..., None, :] - 2 * one @ other.mT).clamp_min(0)


def _believed(prices: torch.Tensor, costs: list[torch.Tensor], alive: Callable[[], None]) -> torch.Tensor:
    """(H, W): the number of the offer that each pixel takes. Messages come from before and after along both axes."""
    told = torch.zeros(2, 2, *prices.shape, device=prices.device)
    for _ in range(_ROUNDS):
        alive()
        belief = prices + told.sum((0, 1))
        for (before, after), cost, step in zip(told, costs, _AXES, strict=True):
            forward = ((belief - after)[..., :, None] + cost).amin(-2).roll(step, (0, 1))
            behind = (belief - before).roll((-step[0], -step[1]), (0, 1))
            backward = (behind[..., None, :] + cost).amin(-1)
            for message, new in ((before, forward), (after, backward)):
                message.lerp_(new - new.amin(-1, keepdim=True), _DAMPED)
    return (prices + told.sum((0, 1))).argmin(-1)


def _chosen_again(chosen: torch.Tensor, prices: torch.Tensor, costs: list[torch.Tensor]) -> torch.Tensor:
    """Pixels of one colour of a chessboard, then of the other, take what is cheapest beside what their neighbours took."""
    height, width, many = prices.shape
    y, x = torch.arange(height, device=chosen.device)[:, None], torch.arange(width, device=chosen.device)
    for colour in (0, 1):
        total = prices.clone()
        for cost, step in zip(costs, _AXES, strict=True):
            after = chosen.roll((-step[0], -step[1]), (0, 1))[..., None, None].expand(-1, -1, many, 1)
            total += cost.gather(3, after)[..., 0]
            before = chosen[..., None, None].expand(-1, -1, 1, many)
            total += cost.gather(2, before)[..., 0, :].roll(step, (0, 1))
        chosen = torch.where((y + x) % 2 == colour, total.argmin(-1), chosen)
    return chosen
