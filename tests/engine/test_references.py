# SPDX-License-Identifier: GPL-3.0-or-later
"""Several references with weights and regions, through whole runs of a small network with random weights."""

from __future__ import annotations

import functools
from dataclasses import asdict

import numpy as np
import plain_self_rectification as plain
import pytest
import selfrect
import tiny_models

QUICK = {"steps": 4, "p1": 1, "s1": 1, "p2": 1, "s2": 1, "colour_match": 0.0, "patches": "off"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """variant → its folder, and the model"""

    @functools.cache
    def made(variant):
        folder = tiny_models.make_pipeline(tmp_path_factory.mktemp(variant), variant)
        return folder, selfrect.load_model(folder, device="cpu", dtype="float32")

    return made


@pytest.fixture
def model(models):
    return models("sd1")[1]


def picture(seed, height=64, width=64):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 64 * 2 * np.pi
    stripes = [np.sign(np.sin(rng.uniform(2, 6) * x + rng.uniform(2, 6) * y)) * 0.2 + rng.uniform(0.3, 0.7) for _ in range(3)]
    return np.clip(np.stack(stripes, -1) + rng.normal(0, 0.03, (height, width, 3)), 0, 1).astype(np.float32)


A, B, TARGET = picture(1), picture(2), picture(3)


def run(model, references, target=TARGET, settings=None, **more):
    return selfrect.rectify(model, references, target, {**QUICK, **(settings or {})}, **more).image


def apart(one, other):
    return float(np.abs(one - other).max())


def test_equal_weights_change_no_bit(model):
    np.testing.assert_array_equal(run(model, [A, B], weights=[2.0, 2.0]), run(model, [A, B]))


def test_a_weight_of_two_is_the_reference_twice(model):
    weighted = run(model, [A, B], weights=[2.0, 1.0])
    assert apart(weighted, run(model, [A, A, B])) < 1e-3
    assert apart(weighted, run(model, [A, B])) > 5e-3


def test_what_weighs_nothing_beside_the_other_is_as_if_it_were_not_there(model):
    assert apart(run(model, [A, B], weights=[1.0, 1e-6]), run(model, [A])) < 1e-3
    assert apart(run(model, [A, B], weights=[1e-6, 1.0]), run(model, [B])) < 1e-3


@pytest.mark.parametrize("injection", ["current", "recorded"])
@pytest.mark.parametrize("variant", ["sd1", "sdxl"])
def test_weights_and_regions_agree_with_a_plain_matrix_of_biases(models, variant, injection):
    """One region with hard borders and one soft one, through both rounds; leaving them out shows."""
    y, x = np.mgrid[:64, :64].astype(np.float32)
    regions = [(x < 32).astype(np.float32), (y / 64 + (x >= 32)).clip(0, 1).astype(np.float32)]
    plan = plain.Plan(steps=6, p1=2, s1=2, p2=1, s2=1, injection=injection)
    folder, model = models(variant)
    shares = [weight * region for weight, region in zip((3.0, 1.0), regions, strict=True)]
    pictures, _ = plain.self_rectify(folder, [A, B], TARGET, plan, shares)
    settings = asdict(plan) | {"colour_match": 0.0, "patches": "off"}
    found = selfrect.rectify(model, [A, B], TARGET, settings, weights=[3.0, 1.0], regions=regions)
    assert max(apart(one, other) for one, other in zip(found.rounds, pictures, strict=True)) < 1e-3
    assert apart(selfrect.rectify(model, [A, B], TARGET, settings).image, pictures[1]) > 1e-2


def test_each_window_has_its_own_cut_of_the_regions(model):
    """A target of three windows: what lies under the left two is the first reference's, and nothing of it is at the right."""
    target = picture(4, 128, 320)
    left = np.zeros((128, 320), np.float32)
    left[:, :160] = 1
    asked = {"window": 128, "rounds": 1}
    halves = run(model, [A, B], target, asked, regions=[left, 1 - left])
    alone = [run(model, [one], target, asked) for one in (A, B)]
    far = [[np.abs(halves[:, part] - other[:, part]).mean() for other in alone] for part in (slice(0, 112), slice(208, 320))]
    assert far[0][0] < 0.5 * far[0][1]
    assert far[1][1] < 0.5 * far[1][0]


def test_another_weight_is_another_picture_even_when_everything_is_kept(model):
    one = run(model, [A, B], weights=[1.0, 3.0])
    assert apart(run(model, [A, B], weights=[3.0, 1.0]), one) > 5e-3
    np.testing.assert_array_equal(run(model, [A, B], weights=[1.0, 3.0]), one)
