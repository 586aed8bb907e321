# SPDX-License-Identifier: GPL-3.0-or-later
"""A drift of colour is undone, and nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from selfrect.broad import enlarge_onto, reduced
from selfrect.colour import delta_e, lab_from_srgb
from selfrect.colour_match import match_colours
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
    fine = [p - np.repeat(np.repeat(reduced(p, 4), 4, 0), 4, 1) for p in (picture, matched)]
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
    field = reduced(np.full((height, width, 3), 0.25), factor)
    grown = enlarge_onto(np.zeros((height, width, 3), np.float32), field, factor, (True, False))
    np.testing.assert_allclose(grown, 0.25)


def test_transport_takes_the_goals_distribution():
    random = np.random.default_rng(0)
    points, goal = random.normal(size=(4000, 3)), random.normal(size=(4000, 3)) @ np.diag([3, 1, 0.2]) + [5, 0, -1]
    moved = transported(points, goal)
    np.testing.assert_allclose(moved.mean(0), goal.mean(0), atol=0.05)
    np.testing.assert_allclose(np.cov(moved.T), np.cov(goal.T), atol=0.3)


def moss_and_stone(part: float, size: int = 192) -> np.ndarray:
    """Green to the left, as much as `part`; grey to the right; both uneven."""
    fine = np.random.default_rng(3).normal(0, 0.03, (size, size, 1)) + 0.06 * np.sin(np.arange(size) / 7)[:, None, None]
    green, grey = np.array([0.25, 0.42, 0.15]), np.array([0.55, 0.53, 0.5])
    is_green = (np.arange(size) < part * size)[None, :, None]
    return np.clip(np.where(is_green, green, grey) + fine, 0, 1).astype(np.float32)


def mean_delta_e(one: np.ndarray, other: np.ndarray) -> float:
    return float(delta_e(lab_from_srgb(one), lab_from_srgb(other)).mean())


@pytest.mark.parametrize("drift", ["tint", "orange", "gamma"])
def test_a_target_may_ask_for_more_of_one_of_the_colours(drift):
    """The reference is half moss, the target nearly all of it; sorted by frequency alone, moss would turn to stone."""
    reference, target = moss_and_stone(0.5), moss_and_stone(0.9)
    drifted = DRIFTS[drift](target).astype(np.float32)
    assert mean_delta_e(drifted, target) > 3
    assert mean_delta_e(match_colours(drifted, [reference], target=target), target) <= 1.5
    assert mean_delta_e(match_colours(drifted, [reference]), target) > 3


@pytest.mark.parametrize("drift", [None, "tint", "orange"])
def test_a_colour_that_was_painted_on_purpose_stays(drift):
    """A blue spot on bark: its colour is not brown's. Around it the drift is undone."""
    reference, target = bark(seed=0), bark(seed=1)
    target[60:120, 60:120] = target[60:120, 60:120] * 0.2 + np.float32([0.1, 0.3, 0.75])
    result = DRIFTS[drift](target).astype(np.float32) if drift else target
    matched = match_colours(result, [reference], target=target)
    assert mean_delta_e(matched[64:116, 64:116], result[64:116, 64:116]) < 0.1
    around = np.ones(target.shape[:2], bool)
    around[54:126, 54:126] = False
    assert mean_delta_e(matched[around][None], target[around][None]) <= 1.5


def test_a_picture_painted_in_another_colour_altogether_stays():
    target = bark(seed=1)[..., ::-1].copy()
    np.testing.assert_array_equal(match_colours(target, [bark()], target=target), target)


def test_a_painted_colour_that_was_redrawn_in_the_references_is_corrected():
    """The network made bark of the blue spot: nothing of it is left to keep."""
    target, result = bark(seed=1), DRIFTS["orange"](bark(seed=1)).astype(np.float32)
    target[60:120, 60:120] = [0.1, 0.3, 0.75]
    matched = match_colours(result, [bark()], target=target)
    assert mean_delta_e(matched[60:120, 60:120], bark(seed=1)[60:120, 60:120]) <= 1.5


def test_background_of_the_target_asks_for_nothing():
    reference, other = bark(seed=0), bark(seed=1)
    target = np.concatenate([np.zeros_like(other), np.zeros((192, 192, 1), np.float32)], axis=-1)
    drifted = DRIFTS["tint"](other).astype(np.float32)
    np.testing.assert_array_equal(match_colours(drifted, [reference], target=target), match_colours(drifted, [reference]))


def test_places_that_are_known_tell_more_of_a_drift_than_frequencies():
    """Nothing was asked for: that there is more moss than in the reference is only known from where the places are from."""
    reference, true = moss_and_stone(0.5), moss_and_stone(0.9)
    drifted = DRIFTS["orange"](true).astype(np.float32)
    known = true.copy()
    known[::3, ::2] = np.random.default_rng(5).permutation(reference.reshape(-1, 3))[: 64 * 96].reshape(64, 96, 3)  # wrong ones
    assert mean_delta_e(match_colours(drifted, [reference]), true) > 3
    assert mean_delta_e(match_colours(drifted, [reference], alike=known), true) <= 1.5
    np.testing.assert_allclose(  # of a smaller picture, too
        match_colours(drifted, [reference], alike=true[::2, ::2]), match_colours(drifted, [reference], alike=true), atol=0.03
    )


def test_places_that_say_nothing_are_not_believed():
    reference, other = bark(seed=0), bark(seed=1)
    drifted = DRIFTS["tint"](other).astype(np.float32)
    anywhere = np.random.default_rng(0).permutation(reference.reshape(-1, 3)).reshape(reference.shape)
    np.testing.assert_array_equal(match_colours(drifted, [reference], alike=anywhere), match_colours(drifted, [reference]))


def test_where_places_are_known_a_painted_colour_stays_too():
    reference, target = bark(seed=0), bark(seed=1)
    known = target.copy()
    target[60:120, 60:120] = target[60:120, 60:120] * 0.2 + np.float32([0.1, 0.3, 0.75])
    result = DRIFTS["orange"](target).astype(np.float32)
    matched = match_colours(result, [reference], target=target, alike=known)
    assert mean_delta_e(matched[64:116, 64:116], result[64:116, 64:116]) < 0.1
    around = np.ones(target.shape[:2], bool)
    around[54:126, 54:126] = False
    assert mean_delta_e(matched[around][None], target[around][None]) <= 1.5


def test_a_second_look_finds_what_is_left_of_a_heavy_drift():
    """Balloons: many saturated colours before a blue sky; what turns them yellow is no function of second degree in Lab."""
    random = np.random.default_rng(2)
    hues = random.random((24, 24, 3)).astype(np.float32) ** 2
    hues[:16] = [0.4, 0.6, 0.85]
    balloons = np.clip(np.kron(hues, np.ones((8, 8, 1))) + random.normal(0, 0.02, (192, 192, 3)), 0, 1).astype(np.float32)
    drifted = np.clip(balloons[::-1] * [1.2, 0.9, 0.5], 0, 1).astype(np.float32)
    assert colour_distance(drifted, balloons) > 25
    assert colour_distance(match_colours(drifted, [balloons]).clip(0, 1), balloons) <= 1.5
