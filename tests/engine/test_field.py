# SPDX-License-Identifier: GPL-3.0-or-later
"""The field of a finished picture: pictures of which it is known where each pixel came from."""

from __future__ import annotations

import math

import material
import numpy as np
import pytest
import torch
from selfrect.patches.correspondence import Correspondence, carry
from selfrect.patches.field import Wanted, correspond
from selfrect.patches.sources import Pose, make_sources

UPRIGHT = (Pose(),)
HEIGHT = material.height_of(112)
REFERENCE = torch.from_numpy(material.base_colour(HEIGHT).transpose(2, 0, 1).copy())
OTHER = torch.from_numpy(material.base_colour(1 - material.height_of(96, seed=5)).transpose(2, 0, 1).copy())


def places(field: Correspondence) -> torch.Tensor:
    """(H, W, 2) in pixels, x and y of middles."""
    return torch.stack([field.x, field.y], -1) * torch.tensor(field.sizes, dtype=torch.float32)[field.reference] - 0.5


def grid(height: int, width: int, left: float, top: float) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height) + top, torch.arange(width) + left, indexing="ij")
    return torch.stack([x, y], -1)


def two_pieces() -> tuple[torch.Tensor, torch.Tensor]:
    """A picture of two pieces, side by side, and where its pixels are from."""
    picture = torch.cat([REFERENCE[:, 10:90, 4:44], REFERENCE[:, 22:102, 60:100]], 2)
    return picture, torch.cat([grid(80, 40, 4, 10), grid(80, 40, 60, 22)], 1)


def off(field: Correspondence, true: torch.Tensor, margin: int = 5) -> torch.Tensor:
    """Distances from the truth, away from the edges, where patches say little."""
    return (places(field) - true).norm(dim=-1)[margin:-margin, margin:-margin]


def test_the_places_of_two_pieces_are_found_from_nothing():
    picture, true = two_pieces()
    field = correspond(Wanted(picture, [REFERENCE]))
    assert (off(field, true) < 0.1).float().mean() > 0.95
    assert field.continuity() > 0.97
    assert field.sizes == ((112, 112),)
    assert (field.angle == 0).float().mean() > 0.97


def test_a_rough_field_is_made_fine():
    """Such as attention leaves it: a few pixels wide, and beside the truth."""
    picture, true = two_pieces()
    rough = (true[4::8, 4::8] + 0.5 + torch.tensor([2.0, -1.5])) / 112
    start = Correspondence(torch.zeros(10, 10, dtype=torch.long), *rough.unbind(-1), torch.zeros(10, 10), ((14, 14),))
    field = correspond(Wanted(picture, [REFERENCE]), start)
    assert (off(field, true) < 0.1).float().mean() > 0.95
    assert field.x.shape == (80, 80)


def test_noisy_matches_become_whole_pieces():
    picture, true = two_pieces()
    sources = make_sources([REFERENCE])
    noisy = true.round().long() + torch.randint(-2, 3, (80, 80, 2), generator=torch.Generator().manual_seed(1))
    start = Correspondence.of(noisy[..., 1].clamp(0, 111) * 112 + noisy[..., 0].clamp(0, 111), sources, [REFERENCE])
    assert start.continuity() < 0.1
    field = correspond(Wanted(picture, [REFERENCE]), start)
    assert field.continuity() > 0.97
    assert (off(field, true) < 0.1).float().mean() > 0.95


@pytest.mark.parametrize("pose", [Pose(0.6), Pose(math.pi / 2, True), Pose(0.0, False, 1.5)])
def test_a_piece_that_was_turned_mirrored_or_made_larger(pose):
    sources = make_sources([REFERENCE], [pose])
    _, height, width = sources.shape
    rows, columns = slice(height // 2 - 26, height // 2 + 26), slice(width // 2 - 26, width // 2 + 26)
    numbers = torch.arange(height * width).view(height, width)[rows, columns]
    true = Correspondence.of(numbers, sources, [REFERENCE])
    field = correspond(Wanted(sources.pictures[0, :, rows, columns], [REFERENCE], poses=(pose,)))
    assert (off(field, places(true)) < 0.6).float().mean() > 0.9
    assert field.continuity() > 0.93
    assert torch.allclose(field.steps()[26, 26], true.steps()[26, 26], atol=1e-3)
    assert (carry([REFERENCE], field) - sources.pictures[0, :, rows, columns]).abs().mean() < 0.01


@pytest.mark.parametrize("shift", [(0.4, 0.0), (0.3, -0.35)])
def test_parts_of_a_pixel_are_found(shift):
    fine = material.height_of(112, scale=8)
    y, x = (4 + 8 * np.arange(8, 90) + round(8 * s) for s in reversed(shift))
    picture = torch.from_numpy(_averaged(material.base_colour(fine))[np.ix_(y, x)].transpose(2, 0, 1).copy())
    middles = 4 + 8 * np.arange(112)
    reference = torch.from_numpy(_averaged(material.base_colour(fine))[np.ix_(middles, middles)].transpose(2, 0, 1).copy())
    field = correspond(Wanted(picture, [reference], poses=UPRIGHT))
    true = grid(82, 82, 8 + round(8 * shift[0]) / 8, 8 + round(8 * shift[1]) / 8)
    assert off(field, true).median() < 0.15
    assert (off(field, true) < 0.3).float().mean() > 0.75


def _averaged(picture: np.ndarray) -> np.ndarray:
    """Means of 8 × 8 around each pixel, as pixels of an eighth of the size would hold."""
    for axis in (0, 1):
        sums = np.cumsum(np.pad(picture, [(5, 4) if a == axis else (0, 0) for a in range(3)], mode="edge"), axis, dtype=np.float64)
        picture = ((np.roll(sums, -8, axis) - sums) / 8).take(range(picture.shape[axis]), axis)
    return picture.astype(np.float32)


def test_each_piece_is_found_in_its_own_reference():
    picture = torch.cat([REFERENCE[:, 10:74, 4:44], OTHER[:, 12:76, 40:80]], 2)
    field = correspond(Wanted(picture, [REFERENCE, OTHER], poses=UPRIGHT))
    assert (field.reference[:, 4:36] == 0).float().mean() > 0.97
    assert (field.reference[:, 44:76] == 1).float().mean() > 0.97


def test_a_picture_that_goes_around_has_a_field_that_goes_around():
    y, x = torch.meshgrid(*(torch.arange(64) * (2 * math.pi / 64),) * 2, indexing="ij")
    tile = torch.stack([x.sin() * y.cos(), (2 * x).cos() * y.sin(), (x + 2 * y).sin()]) / 2.2 + 0.5
    reference = tile.repeat(1, 2, 2)
    field = correspond(Wanted(tile.roll((20, 30), (1, 2)), [reference], wrap=(True, True), poses=UPRIGHT))
    assert field.continuity((True, True)) > 0.9
    assert (carry([reference], field) - tile.roll((20, 30), (1, 2))).abs().max() < 0.05


def test_the_same_question_has_the_same_answer():
    picture, _ = two_pieces()
    one, other = (correspond(Wanted(picture, [REFERENCE], poses=UPRIGHT, seed=3)) for _ in range(2))
    assert torch.equal(one.x, other.x)
    assert torch.equal(one.y, other.y)


def test_it_can_be_stopped():
    def alive():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        correspond(Wanted(two_pieces()[0], [REFERENCE], poses=UPRIGHT), alive=alive)
