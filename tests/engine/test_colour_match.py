# SPDX-License-Identifier: GPL-3.0-or-later
"""A drift of colour is undone, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from selfrect.colour_match import _enlarged, _reduced, match_colours
from selfrect.evaluation.colours import colour_distance
from selfrect.evaluation.tiling import wrap_difference
from selfrect.transport import transported


def bark(size: int = 192, seed: int = 0) -> np.ndarray:
    """Brown, in broad and in fine waves."""
    y, x = np.mgrid[:size, :size] / size * 2 * np.pi
    broad = 0.5 + 0.25 * np.sin(2 * x + np.sin(y + seed)) + 0.2 * np.cos(3 * y - x + seed)
    fine = 0.06 * np.random.default_rng(seed).standard_normal((size, size))
    return np.clip(np.stack([0.15 + 0.5 * broad + fine, 0.1 + 0.3 * broad + fine, 0.08 + 0.15 * broad + fine], -1), 0, 1).astype(np.float32)


DRIFTS = {
    "tint": lambda p: p * [1.12, 0.98, 0.8],
    "brighter": lambda p: p + 0.06,
    "flatter": lambda p: p * 0.8 + 0.05,
    "gamma": lambda p: np.clip(p, 0, 1) ** 1.2,
    "orange": lambda p: p @ np.array([[1.0, 0.05, 0.0], [0.1, 0.85, 0.0], [0.0, 0.05, 0.7]]),
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_a_drift_is_undone(drift):
    reference, other_place = bark(seed=0), bark(seed=1)
    drifted = DRIFTS[drift](other_place).astype(np.float32)
    assert colour_distance(drifted, reference) > 2
    matched = match_colours(drifted, [reference])
    assert colour_distance(matched, reference) <= 1.5


def test_what_did_not_drift_stays():
    reference, other_place = bark(seed=0), bark(seed=1)
    assert np.abs(match_colours(other_place, [reference]) - other_place).mean() < 0.01


def test_local_contrast_is_kept():
    picture = DRIFTS["tint"](bark(seed=1)).astype(np.float32)
    matched = match_colours(picture, [bark(seed=0)])
    fine = [p - np.repeat(np.repeat(_reduced(p, 4), 4, 0), 4, 1) for p in (picture, matched)]
    assert np.abs(fine[0] - fine[1]).max() < 0.02
    assert np.std(fine[1]) == pytest.approx(np.std(fine[0]), rel=0.03)


def test_strength():
    picture, reference = DRIFTS["orange"](bark(seed=1)).astype(np.float32), bark(seed=0)
    assert match_colours(picture, [reference], 0.0) is picture
    full, half = (match_colours(picture, [reference], s) for s in (1.0, 0.5))
    np.testing.assert_allclose(half - picture, (full - picture) / 2, atol=1e-6)


def test_several_references_of_other_sizes():
    picture = DRIFTS["brighter"](bark(seed=1)).astype(np.float32)
    assert colour_distance(match_colours(picture, [bark(96), bark(256, 2)]), bark(96)) < colour_distance(picture, bark(96)) / 2


@pytest.mark.parametrize("size", [192, 130, 300])
def test_what_tiles_goes_on_tiling(size):
    """Broad waves that meet at the edges, drifted by a colour that does not: the correction itself has no edge."""
    y, x = np.mgrid[:size, :size] / size * 2 * np.pi
    waves = (0.5 + 0.2 * np.sin(x + 1) + 0.2 * np.cos(y + 1))[..., None] * np.array([0.8, 0.6, 0.4])
    matched = match_colours(DRIFTS["gamma"](waves).astype(np.float32), [bark()], tile=(True, True))
    before = wrap_difference(DRIFTS["gamma"](waves))
    after = wrap_difference(matched)
    assert after["x"] <= before["x"] + 0.05
    assert after["y"] <= before["y"] + 0.05


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 7))
def test_a_constant_field_stays_constant(height, width, factor):
    field = _reduced(np.full((height, width, 3), 0.25), factor)
    np.testing.assert_allclose(_enlarged(field, (height, width), factor, (True, False)), 0.25)


def test_transport_takes_the_goals_distribution():
    random = np.random.default_rng(0)
    points, goal = random.normal(size=(4000, 3)), random.normal(size=(4000, 3)) @ np.diag([3, 1, 0.2]) + [5, 0, -1]
    moved = transported(points, goal)
    np.testing.assert_allclose(moved.mean(0), goal.mean(0), atol=0.05)
    np.testing.assert_allclose(np.cov(moved.T), np.cov(goal.T), atol=0.3)
