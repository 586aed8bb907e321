# SPDX-License-Identifier: GPL-3.0-or-later
"""Background: what transparent target pixels become."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from selfrect.engines.self_rectification.background import Growth, fill_background, shuffled_pixels
from selfrect.engines.self_rectification.inputs import alpha_map, pad, to_image, to_tensor
from selfrect.engines.self_rectification.settings import Settings
from selfrect.engines.self_rectification.turned import posed, poses_of


def picture(height=8, width=6, channels=3, seed=0):
    return np.random.default_rng(seed).random((height, width, channels), dtype=np.float32)


def target_with_hole():
    target = picture(12, 12, 4, seed=1)
    target[..., 3] = 1
    target[3:9, 3:9, 3] = 0
    return target


def test_placed_pixels_stay_and_background_comes_from_the_reference():
    reference, target = picture(), target_with_hole()
    filled = fill_background(target, [reference], seed=5)
    placed = target[..., 3] == 1
    np.testing.assert_array_equal(filled[placed], target[..., :3][placed])
    known = {tuple(pixel) for pixel in reference.reshape(-1, 3)}
    assert {tuple(pixel) for pixel in filled[~placed]} <= known


def test_each_reference_pixel_is_used_once_before_any_is_used_again():
    reference = picture(4, 5)
    pixels = shuffled_pixels([reference], 40, seed=0)
    _, counts = np.unique(pixels, axis=0, return_counts=True)
    assert set(counts) == {2}


def test_order_follows_the_seed():
    target, reference = target_with_hole(), picture()
    once, again, other = (fill_background(target, [reference], seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)


def test_transparent_reference_pixels_are_never_used():
    reference = picture(8, 8, 4)
    reference[..., 3] = 1
    reference[:4] = (1, 0, 1, 0)
    filled = fill_background(target_with_hole(), [reference], seed=0)
    assert not np.any(np.all(filled == (1, 0, 1), axis=2))


def test_soft_alpha_mixes():
    target = np.ones((4, 4, 4), np.float32)
    target[..., 3] = 0.25
    filled = fill_background(target, [np.zeros((4, 4, 3), np.float32)], seed=0)
    np.testing.assert_allclose(filled, 0.25)


def test_growth_is_soft_at_the_border_and_zero_where_something_is_placed():
    alpha = np.ones((32, 32), np.float32)
    alpha[:, 12:] = 0
    growth = Growth(torch.from_numpy(alpha)[None, None], (4, 4), 1.0, seed=0)
    assert growth.eta[0, 0, 0].tolist() == pytest.approx([0, 0.5, 1, 1])


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 4, 8]))
def test_padding_is_cut_off_again(height, width, factor):
    image = picture(height, width)
    if min(height, width) <= factor:
        return  # the input check refuses such pictures long before
    padded = pad(to_tensor(image), factor)
    assert padded.shape[2] % factor == padded.shape[3] % factor == 0
    np.testing.assert_allclose(to_image(padded, height, width), image, atol=1e-6)


def test_the_eight_turns_differ_and_keep_all_pixels():
    image = picture(6, 6)
    turned = [posed(image, pose)[0] for pose in poses_of(Settings(augment=7))]
    assert all(not np.array_equal(turned[i], turned[j]) for i in range(8) for j in range(i))
    assert all(np.array_equal(np.sort(t.ravel()), np.sort(image.ravel())) for t in turned)


def test_an_opaque_target_has_no_background():
    assert float(alpha_map(picture(16, 16), 8).min()) == 1
