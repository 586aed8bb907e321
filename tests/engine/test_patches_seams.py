# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the pieces and blocks of a first layout meet: through what both sides agree about, around edges too."""

from __future__ import annotations

import pytest
import torch
from selfrect.patches.nearest import Search, allowed_middles, descriptors, patch_basis
from selfrect.patches.seams import cut, offers
from selfrect.patches.sources import make_sources

SIDE = 60


def searched(picture):
    sources = make_sources([picture])
    allowed = allowed_middles(sources.valid, 3)
    keys = descriptors(sources.pictures, patch_basis(sources.pictures, allowed, 3, 16))
    return Search(keys[0], keys, allowed, torch.Generator().manual_seed(0)), sources.shape[2]


def noise(seed=0):
    return torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def halves(side, shift):
    """Matches (24, 30): the left half as it stands, the right half from `shift` px further on."""
    y, x = torch.meshgrid(torch.arange(24), torch.arange(30), indexing="ij")
    return torch.where(x < 15, (y + 4) * side + x + 4, (y + 4) * side + x + 4 + shift)


def test_pieces_are_offered_nearest_first_and_no_further_than_they_reach():
    search, side = searched(noise())
    layout = halves(side, 10)
    offered = offers([(layout, 4)], search, (False, False))
    assert torch.equal(offered[0], layout)
    assert (offered[1:, :, :11] == -1).all(), "the right half does not come so far"
    assert (offered[1, :, 11:15] == layout[:, 11:15] + 10).all()
    assert (offered[1, :, 15:19] == layout[:, 15:19] - 10).all()


def test_what_leaves_its_reference_is_not_offered():
    search, side = searched(noise())
    layout = halves(side, SIDE - 4 - 30)  # it ends where the reference ends
    offered = offers([(layout, 30)], search, (False, False))
    others = (offered >= 0) & (offered != layout)
    assert others.any()
    assert search.allowed[offered[others]].all()


def test_around_an_edge_a_piece_goes_on_at_the_other_side():
    search, side = searched(noise())
    y, x = torch.meshgrid(torch.arange(24), torch.arange(30), indexing="ij")
    layout = torch.where(x >= 24, (y + 4) * side + x - 4, -1)
    alone, around = (offers([(layout, 5)], search, (wrap, False)) for wrap in (False, True))
    assert (alone[:, :, :5] == -1).all()
    assert (around[0, :, :5] == (y + 4)[:, :5] * side + x[:, :5] + 30 - 4).all()


def twice(strip):
    """A reference in which what is 20 px apart is another noise, but for a strip of columns that is there twice."""
    picture = noise()
    picture[:, :, strip + 20 : strip + 24] = picture[:, :, strip : strip + 4]
    return picture


@pytest.mark.parametrize("strip", [12, 20])
def test_the_cut_goes_where_both_sides_are_alike(strip):
    """The halves met at column 15 of the layout; they look alike at `strip` of the reference, 4 columns further left in the layout."""
    search, side = searched(twice(strip))
    layout = halves(side, 20)
    offered = offers([(layout, 8)], search, (False, False))
    chosen = cut(offered, torch.zeros(offered.shape), search, 0.01)
    right = chosen - 20 == halves(side, 0)
    begins = right.int().argmax(1)
    assert right[:, 29].all()
    assert not right[:, 0].any()
    assert ((begins >= strip - 4) & (begins <= strip)).float().mean() > 0.9, begins


def test_a_high_price_moves_the_cut_a_low_one_does_not():
    """They are alike right of the middle; there it is dear to go on with what is on the left."""
    search, side = searched(twice(20))
    offered = offers([(halves(side, 20), 8)], search, (False, False))
    left = offered == halves(side, 0)
    for price, allowed in ((1e-4, range(16, 22)), (100.0, range(16))):
        prices = torch.where(left, price, 0.0) * (torch.arange(30) >= 15)
        begins = (cut(offered, prices, search, 0.01) - 20 == halves(side, 0)).int().argmax(1)
        assert torch.isin(begins, torch.tensor(allowed)).float().mean() > 0.9, begins


def test_where_nothing_is_offered_nothing_is_chosen():
    search, side = searched(noise())
    layout = halves(side, 10)
    layout[:, 12:18] = -1
    chosen = cut(offers([(layout, 1)], search, (False, False)), torch.zeros(2, 24, 30), search, 0.01)
    assert (chosen[:, 13:17] == -1).all()
    assert torch.equal(chosen[:, :11], layout[:, :11])
