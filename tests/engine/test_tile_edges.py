# SPDX-License-Identifier: GPL-3.0-or-later
"""A target that is to tile but whose edges do not meet: a band along them is drawn anew, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import selfrect
from selfrect.engines.self_rectification.edges import MENDED, Mending, apart
from selfrect.evaluation.tiling import wrap_difference


def bricks(height=96, width=96):
    """Rows of 16 pixels, which do not meet where the picture ends beside a joint."""
    y, x = np.mgrid[:height, :width]
    joint = (y % 16 < 2) | ((x + 8 * (y // 16 % 2)) % 24 < 2)
    grain = np.random.default_rng(0).normal(0, 0.03, (height, width))
    return np.clip(np.where(joint, 0.25, 0.6) + grain, 0, 1)[..., None].repeat(3, 2).astype(np.float32)


def test_edges_that_meet_are_let_alone():
    target = bricks()
    assert not apart(target, 0), "a joint lies just there"
    assert not apart(target, 1)
    assert np.array_equal(Mending([target], (True, True)).mend(target), target)
    cut = np.ascontiguousarray(target[:90, :90])
    assert np.array_equal(Mending([target], (False, False)).mend(cut), cut)


def waves(size, seed=0):
    """Soft and without a period, as far as the picture goes; it goes around."""
    spectrum = np.fft.fft2(np.random.default_rng(seed).standard_normal((size, size, 3)), axes=(0, 1))
    wide = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))[..., None]
    picture = np.fft.ifft2(spectrum * np.exp(-((wide * 25) ** 2)), axes=(0, 1)).real
    return (0.5 + 0.15 * picture / picture.std()).astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_what_goes_around_is_told_from_what_does_not(seed):
    picture = waves(128, seed)
    cut = picture[:-9, :-9]
    assert [apart(p, axis) for p in (picture, cut) for axis in (0, 1)] == [False, False, True, True]
    grain = np.random.default_rng(seed).random((96, 96, 3), dtype=np.float32)
    assert not apart(grain, 0)


def test_edges_that_do_not_meet_are_drawn_anew_and_nothing_else():
    target = np.ascontiguousarray(waves(96)[:, :80])
    assert apart(target, 1)
    mended = Mending([waves(96)], (True, False)).mend(target)
    assert not apart(mended, 1)
    changed = np.abs(mended - target).max((0, 2)) > 0
    assert changed[0]
    assert changed[-1]
    assert not changed[16:-16].any()
    masked = np.ones(target.shape[:2], np.float32)
    masked[:, -20:] = 0
    half = Mending([waves(96)], (True, False)).mend(target, masked)
    assert np.array_equal(half[:, -20:], target[:, -20:])
    assert not np.array_equal(half[:, :4], target[:, :4])


def test_background_at_an_edge_needs_no_help():
    target = np.dstack([bricks()[:, :90], np.ones((96, 90), np.float32)])
    target[:, :10, 3] = 0
    assert not apart(target, 1)
    assert np.array_equal(Mending([bricks()], (True, False)).mend(target), target)


def test_what_was_mended_is_found_again(monkeypatch):
    target = np.ascontiguousarray(waves(64)[:, :48])
    model = selfrect.load_model("mini", device="cpu", dtype="float32")
    quick = {"patches": "off", "colour_match": 0.0, "steps": 2, "p1": 1, "s1": 1, "rounds": 1, "tile_x": True}
    once = selfrect.rectify(model, waves(64), target, quick)
    monkeypatch.setattr(Mending, "_mended", lambda *_: pytest.fail("mended again"))
    again = selfrect.rectify(model, waves(64), target, quick)
    np.testing.assert_allclose(once.image, again.image, atol=1e-5)
    assert [MENDED] == once.record["notes"] == again.record["notes"]
    finished = selfrect.rectify(model, waves(64), waves(64), {**quick, "patches": "finish"})
    assert finished.record["notes"] == []
    assert finished.record["patches"]["mode"] == "finish"
    assert wrap_difference(finished.image)["x"] <= 1
