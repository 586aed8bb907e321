# SPDX-License-Identifier: GPL-3.0-or-later
"""A mask in the network: what lies outside stays as the target is, what is inside goes on from it, and the plan knows."""

from __future__ import annotations

import numpy as np
import pytest
import selfrect
from selfrect import kept
from selfrect.engine import Request
from selfrect.engines.self_rectification.dry_plan import plan_for, plan_of
from selfrect.models.facts import facts_of

QUICK = {"patches": "off", "colour_match": 0.0, "steps": 4, "p1": 2, "s1": 1, "p2": 1, "s2": 1}
WAY = 3  # network calls of one way up or down


@pytest.fixture(scope="module")
def model():
    """mini: its codec loses nothing, so that what is put back can be seen to the bit."""
    return selfrect.load_model("mini", device="cpu", dtype="float32")


def picture(height=48, width=48, seed=0):
    coarse = np.random.default_rng(seed).random((height // 8, width // 8, 3), dtype=np.float32)
    return np.ascontiguousarray(coarse.repeat(8, 0).repeat(8, 1))


def hole(height=48, width=48):
    """1 within; its sides lie within latent pixels of 4 × 4."""
    mask = np.zeros((height, width), np.float32)
    mask[14:30, 17:34] = 1
    return mask


FREE = np.s_[12:32, 16:36]  # the latent pixels that anything of it lies in


def run(model, mask, **how):
    return selfrect.rectify(model, picture(), picture(seed=1), {**QUICK, **how}, mask=mask)


@pytest.mark.parametrize("injection", ["current", "recorded"])
def test_outside_it_is_the_target_inside_it_is_not(model, injection):
    made, target = run(model, hole(), injection=injection), picture(seed=1)
    for image in made.rounds:
        outside = np.ones((48, 48), bool)
        outside[FREE] = False
        assert np.abs(image - target)[outside].max() < 1e-5
        assert np.abs(image - target)[FREE].mean() > 0.01
    free = run(model, None, injection=injection).rounds[-1]
    assert np.abs(free - target)[:10].mean() > 0.01, "unmasked it would have changed there"


def test_what_is_inside_knows_what_is_outside(model):
    """The same hole in another surrounding is filled otherwise."""
    target = picture(seed=1)
    other = np.where(hole()[..., None] > 0, target, 1 - target).astype(np.float32)
    one, two = (selfrect.rectify(model, picture(), t, QUICK, mask=hole()).rounds[-1] for t in (target, other))
    assert np.abs(one - two)[14:30, 17:34].mean() > 0.005


def test_a_mask_of_ones_is_none(model):
    np.testing.assert_array_equal(run(model, np.ones((48, 48), np.float32)).image, run(model, None).image)


@pytest.mark.parametrize("how", [{}, {"p1": 0, "p2": 0}, {"injection": "recorded"}, {"rounds": 1, "p1": 1}])
def test_the_plan_is_exact_and_another_mask_begins_at_the_sampling(model, how):
    request = Request([picture()], picture(seed=1), 0, {**QUICK, **how}, mask=hole())
    before = plan_of(facts_of(model), model, request)
    sizes = {"references": [[48, 48]], "target": [48, 48], "mask": True}
    assert plan_for(facts_of(model), model, sizes, request.settings)["calls"] == before["calls"]
    assert run(model, hole(), **how).record["network_calls"] == before["calls"]
    rounds = how.get("rounds", 2)
    assert run(model, hole(), **how).record["network_calls"] == WAY  # only the last sampling
    moved = np.roll(hole(), 8, 0)
    again = run(model, moved, **how)
    assert again.record["network_calls"] == WAY * (2 * rounds - 1)  # the first inversion is the same
    kept.use(memory=0, disk=0)
    np.testing.assert_allclose(again.image, run(model, moved, **how).image, atol=1e-5)


def test_in_windows_and_where_it_tiles(model):
    target, mask = picture(32, 224, seed=1), np.zeros((32, 224), np.float32)
    mask[:, :40] = mask[:, -40:] = 1
    made = selfrect.rectify(model, picture(), target, {**QUICK, "window": 128, "tile_x": True}, mask=mask)
    assert made.record["windows"]["count"] == 3
    last = made.rounds[-1]
    assert np.abs(last - target)[:, 40:-40].max() < 1e-5
    assert np.abs(last - target)[:, :40].mean() > 0.01
