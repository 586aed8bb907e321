# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of another size: light is kept, nothing is skipped, nothing bleeds in."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from selfrect.image import linear_from_srgb
from selfrect.resizing import resized, resized_mask, resized_picture

SIZES = [(64, 48), (32, 24), (50, 37), (128, 96), (64, 11), (7, 96)]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_same_as_pillows_lanczos(width, height):
    values = np.random.default_rng(0).random((48, 64), dtype=np.float32)
    expected = np.asarray(Image.fromarray(values).resize((width, height), Image.Resampling.LANCZOS))
    inner = slice(4, -4)  # at the edges Pillow cuts the filter, here the edge goes on
    np.testing.assert_allclose(resized(values[..., None], width, height)[inner, inner, 0], expected[inner, inner], atol=0.03)


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_one_colour_stays_that_colour_and_light_is_kept(width, height):
    even = np.full((48, 64, 3), 0.3, np.float32)
    np.testing.assert_allclose(resized_picture(even, width, height), 0.3, atol=1e-6)
    checks = np.indices((48, 64)).sum(0) % 2
    fine = np.repeat(checks[..., None].astype(np.float32), 3, -1)
    small = resized_picture(fine, 16, 12)
    np.testing.assert_allclose(linear_from_srgb(small)[2:-2, 2:-2], 0.5, atol=0.03)  # not the half of display values


def test_a_picture_of_that_size_is_the_very_same():
    picture, mask = np.ones((48, 64, 4), np.float32), np.ones((48, 64), np.float32)
    assert resized_picture(picture, 64, 48) is picture
    assert resized_mask(mask, 64, 48) is mask


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_what_is_transparent_does_not_bleed(width, height):
    picture = np.zeros((48, 64, 4), np.float32)
    picture[..., :3] = [0.9, 0.1, 0.1]
    picture[12:36, 16:48] = [0.1, 0.2, 0.8, 1]
    small = resized_picture(picture, width, height)
    opaque = small[..., 3] > 0.05
    np.testing.assert_allclose(small[opaque][:, :3], np.broadcast_to([0.1, 0.2, 0.8], (opaque.sum(), 3)), atol=0.01)
    assert small[..., 3].min() >= 0
    assert small[..., 3].max() <= 1


def test_light_above_white_is_kept():
    picture = np.full((48, 64, 3), 0.5, np.float32)
    picture[10:30, 10:30] = 5.0
    large = resized_picture(picture, 128, 96)
    assert large.max() == 5
    assert large.min() == 0.5


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_mask_stays_within_its_bounds_and_0_far_from_its_border(width, height):
    mask = np.zeros((48, 64), np.float32)
    mask[12:36, 16:48] = 1
    small = resized_mask(mask, width, height)
    assert small.shape == (height, width)
    assert small.min() == 0
    assert small.max() <= 1 + 1e-6
    y = np.arange(height)[:, None].repeat(width, axis=1)
    outside = np.abs((y + 0.5) / height - 0.5) > 0.25 + 1.5 / min(height, 48)
    assert (small[outside] == 0).all()
