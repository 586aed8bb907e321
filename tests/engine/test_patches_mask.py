# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches inside a mask: what lies outside stays and guides, a hole in a texture grows closed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from selfrect import registry
from selfrect.engine import Request
from selfrect.patches.synthesis import Options, synthesize

UPRIGHT = Options(turns=(0.0,), rounds=(3, 2))


def bricks(height=72, width=84):
    """(3, h, w): rows of bricks, 12 × 8, every second row shifted by half; each of its own shade, in mortar, with some grain."""
    random = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    row = y // 8
    shifted = x + 6 * (row % 2)
    mortar = (y % 8 < 2) | (shifted % 12 < 2)
    shade = torch.rand(height // 8 + 1, width // 12 + 2, generator=random)[row, shifted // 12] * 0.25
    picture = torch.where(mortar, 0.85, 0.35 + shade) + 0.03 * torch.rand(height, width, generator=random)
    return picture * torch.tensor([1.0, 0.6, 0.5])[:, None, None], mortar


@pytest.fixture(scope="module")
def healed():
    """A hole of 26 × 30 in a wall; the reference is the same wall with the same hole."""
    wall, mortar = bricks()
    hole = torch.zeros(72, 84, dtype=torch.bool)
    hole[20:46, 30:60] = True
    holed = torch.where(hole, torch.tensor([1.0, 0.0, 1.0])[:, None, None], wall)
    made = synthesize(holed, (~hole).float(), [holed], UPRIGHT, opaque=[~hole], fixed=~hole)
    return wall, mortar, hole, made


def test_outside_nothing_changes(healed):
    wall, _, hole, made = healed
    assert torch.equal(made.picture[:, ~hole], wall[:, ~hole])


def test_a_hole_is_filled_with_what_belongs_there(healed):
    """The joints between bricks run on through the hole, where they would be."""
    _, mortar, hole, made = healed
    light = made.picture[0] > 0.7
    assert (light == mortar)[hole].float().mean() > 0.9


def test_nothing_of_the_hole_itself_is_used(healed):
    *_, hole, made = healed
    assert (made.picture[1] > 0.02)[hole].all(), "magenta"
    y, x = (made.correspondence.y * 72).long(), (made.correspondence.x * 84).long()
    assert not hole[y, x].any()


def test_inside_what_was_placed_still_guides():
    """Within the mask a dark field is placed where the texture has none: it stays dark, and what is around stays bit by bit."""
    wall, _ = bricks()
    target = wall.clone()
    target[:, 24:48, 24:60] = wall[:, :24, 36:72]
    mask = torch.zeros(72, 84, dtype=torch.bool)
    mask[16:56, 16:68] = True
    made = synthesize(target, torch.ones(72, 84), [wall], UPRIGHT, fixed=~mask)
    assert torch.equal(made.picture[:, ~mask], target[:, ~mask])
    assert (made.picture - target)[:, 28:44, 28:56].abs().mean() < 0.03


@pytest.mark.parametrize("wrap", [(True, False), (True, True)])
def test_with_edges_that_go_around(wrap):
    """The mask covers the left and right edge: they meet in the end, and the middle is what it was."""
    wall, _ = bricks(72, 80)  # 80 is no multiple of a brick's 12
    mask = torch.zeros(72, 80, dtype=torch.bool)
    mask[:, :16] = mask[:, -16:] = True
    made = synthesize(wall, (~mask).float(), [wall], UPRIGHT, wrap=wrap, fixed=~mask).picture
    assert torch.equal(made[:, ~mask], wall[:, ~mask])
    seam, before = ((p[:, :, 0] - p[:, :, -1]).abs().mean() for p in (made, wall))
    step = (made[:, :, 1:] - made[:, :, :-1]).abs().mean()
    assert seam < max(step, 0.7 * before)


def test_a_mask_reaches_the_patches_and_none_changes_nothing():
    wall = np.ascontiguousarray(bricks()[0].permute(1, 2, 0).numpy())
    target = np.concatenate([wall, np.ones((72, 84, 1), np.float32)], 2)
    target[20:40, 30:60, 3] = 0
    settings = {"steps": 10, "p1": 4, "s1": 4}

    def made(mask):
        return registry.synthesize("self-rectification", "mini", "cpu", "float32", Request([wall], target, 0, settings, mask=mask)).image

    mask = np.zeros((72, 84), np.float32)
    mask[18:42, 28:62] = 1
    free, all_of_it, masked = made(None), made(np.ones_like(mask)), made(mask)
    assert np.array_equal(free, all_of_it)
    assert np.array_equal(masked[mask == 0], wall[mask == 0])
    assert np.abs(masked - wall)[20:40, 30:60].mean() < 0.12
