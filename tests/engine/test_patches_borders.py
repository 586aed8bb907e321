# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps the borders of placed pieces from being seen: they go on around themselves, in their poses, and steps are spread."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from selfrect.patches.joining import joining
from selfrect.patches.leaning import pose_prices
from selfrect.patches.sources import Pose, make_sources
from selfrect.patches.start import grown
from selfrect.patches.synthesis import Options, synthesize
from selfrect.patches.turns import find_poses


def grain(height, width, seed=0):
    return 0.05 * torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def test_a_step_between_pieces_is_spread():
    """The right half is brighter by 0.05 than its own surroundings say."""
    fine = grain(40, 60)
    picture = fine + 0.4
    picture[:, :, 30:] += 0.05
    right, below = (fine.roll(-1, axis) + 0.4 + 0.05 * (torch.arange(60) >= 30) for axis in (2, 1))
    made = picture + joining(picture, right, below, reach=20)
    assert torch.allclose(made.diff(dim=2)[:, :, 29], fine.diff(dim=2)[:, :, 29], atol=0.006), "no step"
    assert (made.diff(dim=2) - fine.diff(dim=2)).abs().max() < 0.006, "and none elsewhere"
    assert abs(float((made - picture).mean())) < 1e-4


def test_the_edge_of_a_thing_stays():
    picture = torch.full((3, 40, 60), 0.2)
    picture[:, :, 30:] = 0.8
    flat = picture.clone()
    assert joining(picture, flat, flat, reach=20).abs().max() < 1e-3


def test_what_stays_is_joined_to():
    """Pixels that stay get nothing, and what is beside them meets them without a step of its own."""
    picture = torch.full((3, 40, 60), 0.4)
    picture[:, :, 20:40] = 0.45
    said = [torch.where(torch.arange(60) < 40, p, p) for p in (picture.clone(), picture.clone())]
    kept = torch.zeros(40, 60, dtype=torch.bool)
    kept[:, :20] = kept[:, 40:] = True
    change = joining(picture, *said, reach=20, kept=kept)
    assert not change[:, kept].any()
    made = picture + change
    assert made.diff(dim=2).abs().max() < 0.03, "the step of 0.05 is spread inside"


@pytest.mark.parametrize("wrap", [(False, False), (True, True)])
def test_around_a_piece_is_what_was_around_it(wrap):
    reference = torch.rand(3, 40, 44, generator=torch.Generator().manual_seed(0))
    sources = make_sources([reference])
    placed = torch.zeros(40, 44, dtype=torch.bool)
    placed[0:12, 10:20] = True
    y, x = torch.meshgrid(torch.arange(40), torch.arange(44), indexing="ij")
    side = sources.shape[2]
    matches = torch.where(placed, (y + 9) * side + x + 11, -1)
    found = grown(matches, placed, sources, 4, wrap)
    assert (found[placed] == -1).all()
    assert (found[12:16, 10:20] == ((y + 9) * side + x + 11)[12:16, 10:20]).all()
    assert (found[16:36] == -1).all(), "no further"
    assert (found[37:, 12:18] >= 0).all() == wrap[1], "over the edge only where it goes around"
    if wrap[1]:
        assert (found[39, 10:20] == (8 * side + x[0, 10:20] + 11)).all()


def test_where_different_pieces_meet_nothing_is_decided():
    reference = torch.rand(3, 40, 44, generator=torch.Generator().manual_seed(0))
    sources = make_sources([reference])
    placed = torch.zeros(20, 40, dtype=torch.bool)
    placed[:, 4:14] = placed[:, 18:28] = True
    y, x = torch.meshgrid(torch.arange(20), torch.arange(40), indexing="ij")
    matches = torch.where(placed, torch.where(x < 16, y * 44 + x, (y + 9) * 44 + x - 10), -1)
    found = grown(matches, placed, sources, 4)
    assert (found[:, 15:17] == -1).all()
    assert (found[:, 29:31] >= 0).all()


def test_poses_are_cheap_near_pieces_that_have_them():
    poses = torch.full((40, 60), -1)
    poses[10:30, 5:20], poses[10:30, 40:55] = 0, 1
    prices = pose_prices(poses.flatten(), 2, (40, 60), (False, False))
    assert prices.min() == 0
    assert (prices[0, 15:25, :20] == 0).all()
    assert (prices[1, 15:25, :20] > 0.1).all()
    assert (prices[1, 15:25, 40:] == 0).all()
    assert prices[0, 20, 30] < 0.05, "in the middle both will do"
    assert torch.allclose(prices[0], prices[1].flip(1), atol=1e-5)


def test_a_piece_that_looks_alike_at_all_turns_adds_none():
    """A sky with a little noise beside a piece of texture: only the texture's own turn is found."""
    generator = torch.Generator().manual_seed(0)
    reference = 0.5 + 0.004 * torch.rand(3, 96, 96, generator=generator)
    coarse = torch.rand(1, 3, 12, 24, generator=generator)
    reference[:, 48:] = torch.nn.functional.interpolate(coarse, (48, 96), mode="bicubic")[0].clamp(0, 1)
    target = torch.cat([0.5 + 0.004 * torch.rand(3, 40, 56, generator=generator), reference[:, 48:84, 20:76]], 1)
    placed = torch.ones(target.shape[1:], dtype=torch.bool)
    poses, _ = find_poses(target, placed, [reference], [torch.ones(96, 96, dtype=torch.bool)], generator)
    assert poses == [Pose()]


def test_a_bright_and_a_dark_piece_leave_no_border():
    """Two pieces of one cloth, lit differently: across their borders the picture changes no faster than the cloth."""
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    cloth = (0.35 + 0.25 * x / 96 + 0.06 * torch.sin(x / 1.4) * torch.sin(y / 1.7)).expand(3, -1, -1).contiguous()
    target, placed = torch.zeros(3, 64, 64), torch.zeros(64, 64)
    target[:, 16:48, 6:30], placed[16:48, 6:30] = cloth[:, 16:48, 0:24], 1
    target[:, 16:48, 34:58], placed[16:48, 34:58] = cloth[:, 16:48, 70:94], 1

    def steepest(joined):
        made = synthesize(target, placed, [cloth], Options(turns=(0.0,), rounds=(3, 2), layouts=1, joined=joined)).picture.mean(0).numpy()
        rows = made[16:48].mean(0)  # of the waves little is left
        broad = np.convolve(rows, np.ones(9) / 9, "valid")
        return np.abs(np.diff(broad)).max()

    assert steepest(0.23) < 0.8 * steepest(0.0)
