# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches: cut, laid down, mirrored, turned. Nothing changes that is not meant to, to the last bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfrect_blender.edit import compositing, masks, patches, sampling
from selfrect_blender.edit.boxes import Box, pieces
from selfrect_blender.edit.patches import Placement

sizes = st.integers(2, 24)
seeds = st.integers(0, 2**32 - 1)


def picture(seed: int, width: int, height: int, brightest: float = 1.0, opaque: bool = False) -> np.ndarray:
    """Premultiplied; some pixels empty, some whole."""
    random = np.random.default_rng(seed)
    made = random.random((height, width, 4), np.float32) * (brightest, brightest, brightest, 1)
    made[..., 3] = 1 if opaque else np.clip(made[..., 3] * 2 - 0.5, 0, 1)
    return compositing.multiplied(made)


def whole(patch_pixels: np.ndarray) -> patches.Patch:
    return patches.Patch(patch_pixels, np.ones(patch_pixels.shape[:2], np.float32))


@given(seeds, sizes, sizes, st.booleans())
def test_a_whole_patch_laid_down_as_it_is_reproduces_its_pixels(seed, width, height, premultiplied):
    given_pixels = picture(seed, width, height, brightest=9, opaque=True)
    canvas = picture(seed + 1, width + 10, height + 12)
    before = canvas.copy()
    box, layer = patches.placed(whole(given_pixels).layer(), Placement(5 + width / 2, 4 + height / 2))
    assert box == (5, 4, 5 + width, 4 + height)
    compositing.stamp(canvas, layer, box, premultiplied)
    np.testing.assert_array_equal(canvas[box.slices], given_pixels)
    canvas[box.slices] = before[box.slices]
    np.testing.assert_array_equal(canvas, before)


@given(seeds, sizes, sizes, st.floats(-30, 60), st.floats(-30, 60), st.floats(-7, 7), st.floats(0.2, 3), st.booleans(), st.booleans(),
       st.floats(0, 1), st.floats(0, 6), st.booleans(), st.booleans())  # fmt: skip
def test_alpha_stays_in_bounds_and_the_rest_of_the_picture_as_it_was(
    seed, width, height, x, y, angle, scale, mirror_x, mirror_y, opacity, feather, premultiplied, wrap
):
    canvas = picture(seed + 1, 31, 23)
    before = canvas.copy()
    layer = whole(picture(seed, width, height, brightest=50)).layer(feather, opacity)
    box, layer = patches.placed(layer, Placement(x, y, angle, scale, mirror_x, mirror_y))
    touched = compositing.stamp(canvas, layer, box, premultiplied, wrap)
    assert canvas[..., 3].min() >= 0
    assert canvas[..., 3].max() <= 1
    assert np.isfinite(canvas).all()
    untouched = np.ones(canvas.shape[:2], bool)
    for part in touched:
        untouched[part.slices] = False
    np.testing.assert_array_equal(canvas[untouched], before[untouched])
    if opacity == 0:
        np.testing.assert_array_equal(canvas, before)


@given(seeds, sizes, sizes, st.integers(-3, 3))
def test_quarter_turns_keep_every_pixel(seed, width, height, quarters):
    pixels = picture(seed, width, height)
    x, y = (width if quarters % 2 == 0 else height) / 2, (height if quarters % 2 == 0 else width) / 2
    _, turned = patches.placed(pixels, Placement(x, y, quarters * math.pi / 2))
    # counter-clockwise with the bottom row first is clockwise for numpy
    np.testing.assert_array_equal(turned, np.rot90(pixels, -quarters))


@given(seeds, sizes, sizes)
def test_mirrors_are_their_own_inverse_and_both_are_half_a_turn(seed, width, height):
    pixels = picture(seed, width, height)
    middle = width / 2, height / 2
    np.testing.assert_array_equal(patches.placed(pixels, Placement(*middle, mirror_x=True))[1], pixels[:, ::-1])
    np.testing.assert_array_equal(patches.placed(pixels, Placement(*middle, mirror_y=True))[1], pixels[::-1])
    both = patches.placed(pixels, Placement(*middle, mirror_x=True, mirror_y=True))[1]
    np.testing.assert_array_equal(both, patches.placed(pixels, Placement(*middle, angle=math.pi))[1])


@given(seeds, st.floats(0, 2 * math.pi), st.floats(0.3, 2.5))
def test_what_is_laid_down_weighs_as_much_as_its_size_says(seed, angle, scale):
    layer = np.zeros((40, 30, 4), np.float32)
    layer[10:30, 8:22] = picture(seed, 14, 20, opaque=True).mean()
    _, placed = patches.placed(layer, Placement(50, 50, angle, scale))
    np.testing.assert_allclose(placed.sum(), layer.sum() * scale**2, rtol=0.06)


def test_light_above_one_and_below_zero_survives():
    pixels = np.full((4, 4, 4), (50.0, -2.0, 1e4, 1.0), np.float32)
    canvas = np.zeros((9, 9, 4), np.float32)
    box, layer = patches.placed(pixels, Placement(4.5, 4.5, angle=0.4))
    compositing.stamp(canvas, layer, box, premultiplied=False)
    np.testing.assert_allclose(canvas[4, 4], pixels[0, 0], rtol=1e-6)


def test_a_neighbour_without_end_does_not_reach_over():
    pixels = np.ones((4, 4, 4), np.float32)
    pixels[:, 2:] = (np.inf, np.nan, 1, 1)
    _, same = patches.placed(pixels, Placement(2, 2))
    np.testing.assert_array_equal(same, pixels)


def test_colour_beneath_nothing_stays_when_nothing_is_laid_over_it():
    canvas = np.full((3, 3, 4), (0.3, 0.7, 0.1, 0.0), np.float32)
    before = canvas.copy()
    layer = np.zeros((3, 3, 4), np.float32)
    layer[1, 1] = (0.5, 0, 0, 0.5)
    compositing.over(canvas, layer, premultiplied=False)
    np.testing.assert_array_equal(canvas[1, 1], (1, 0, 0, 0.5))
    canvas[1, 1] = before[1, 1]
    np.testing.assert_array_equal(canvas, before)


@given(seeds, st.booleans())
def test_erasing_takes_alpha_and_only_where_it_is_told_to(seed, premultiplied):
    canvas = picture(seed, 12, 9)
    before = canvas.copy()
    strength = np.zeros((9, 12), np.float32)
    strength[2:5, 3:7], strength[3, 4] = 1, 0.5
    compositing.erase(canvas, strength, premultiplied)
    assert not canvas[2, 3:7, 3].any()
    np.testing.assert_array_equal(canvas[strength == 0], before[strength == 0])
    np.testing.assert_array_equal(canvas[..., :3] == before[..., :3], True) if not premultiplied else None
    np.testing.assert_allclose(canvas[3, 4, 3], before[3, 4, 3] / 2)


@given(st.lists(st.tuples(st.floats(-5, 40), st.floats(-5, 40)), min_size=3, max_size=3))
def test_a_lasso_covers_its_area(corners):
    triangle = np.array(corners)
    (ax, ay), (bx, by) = triangle[1] - triangle[0], triangle[2] - triangle[0]
    mask = masks.polygon(triangle, Box(-6, -6, 41, 41))
    assert mask.shape == (47, 47)
    np.testing.assert_allclose(mask.sum(), abs(ax * by - ay * bx) / 2, atol=2.5)
    assert mask.min() >= 0
    assert mask.max() <= 1


def test_a_lasso_has_smooth_edges_and_stays_filled_where_it_crosses_itself():
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    circle = 20 + 15 * np.stack([np.cos(angles), np.sin(angles)], 1)
    mask = masks.polygon(circle, Box(0, 0, 40, 40))
    assert masks.polygon(np.concatenate([circle, circle]), Box(0, 0, 40, 40))[20, 20] == 1  # twice around
    np.testing.assert_allclose(mask.sum(), np.pi * 225, rtol=0.002)
    assert len(np.unique(mask)) > 20
    eight = np.array([(2, 2), (38, 38), (38, 2), (2, 38)])
    assert masks.polygon(eight, Box(0, 0, 40, 40))[20, [5, 35]].tolist() == [1, 1]


@pytest.mark.parametrize("radius", [1, 4, 12])
def test_a_soft_edge_fades_inwards(radius):
    mask = np.ones((60, 70), np.float32)
    soft = masks.feathered(mask, radius)
    line = soft[30, :35]
    assert (np.diff(line) >= 0).all()
    assert line[0] < 0.6
    assert line[2 * radius] == 1
    np.testing.assert_array_equal(masks.feathered(mask, 0), mask)


def test_cutting_takes_whole_pixels_for_a_box_and_nothing_outside():
    source = picture(1, 30, 20)
    patch = patches.cut(source, [(3, 4), (9, 8)])
    np.testing.assert_array_equal(patch.pixels, source[4:8, 3:9])
    assert (patch.mask == 1).all()
    assert patch.origin == (3, 4)
    assert patches.cut(source, [(-5, -5), (2, 2)]).pixels.shape == (2, 2, 4)
    assert patches.cut(source, [(-5, -5), (-2, -2)]) is None
    assert patches.cut(source, [(5, 5), (5, 5)]) is None


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 40), st.integers(1, 40))
def test_around_the_edges_no_pixel_is_lost(x, y, width, height):
    box = Box(x, y, x + width, y + height)
    parts = list(pieces(box, 13, 17, wrap=True))
    assert sum(place.width * place.height for place, _ in parts) == width * height
    for place, part in parts:
        assert (place.width, place.height) == (part.width, part.height)
        assert (place.x0 - part.x0 - x) % 13 == 0
        assert (place.y0 - part.y0 - y) % 17 == 0


def test_made_smaller_a_pattern_becomes_its_mean():
    checks = np.indices((64, 64)).sum(0)[..., None] % 2 * np.ones(4, np.float32)
    _, small = patches.placed(checks.astype(np.float32), Placement(8, 8, scale=0.125))
    np.testing.assert_allclose(small[2:-2, 2:-2], 0.5, atol=1e-6)


def test_scaled_keeps_flat_colour_up_to_the_border():
    flat = np.full((7, 9, 4), 0.25, np.float32)
    np.testing.assert_allclose(sampling.scaled(flat, 20, 3), 0.25)
