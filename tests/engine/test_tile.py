# SPDX-License-Identifier: GPL-3.0-or-later
"""A texture that tiles, through the network: it does not know where the edges are, and the reference is as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import selfrect
import tiny_models
import torch
from diffusers import UNet2DConditionModel
from selfrect import kept
from selfrect.engines.self_rectification.canvas import fitted, stretched, unfitted
from selfrect.engines.self_rectification.dry_plan import plan_for
from selfrect.engines.self_rectification.preparation import Work
from selfrect.evaluation.tiling import wrap_difference
from selfrect.models.facts import facts_of

QUICK = {"patches": "off", "colour_match": 0.0, "steps": 4, "p1": 2, "s1": 1, "p2": 2, "s2": 1}
AXES = {"x": (True, False), "y": (False, True), "xy": (True, True)}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Of the shape of Stable Diffusion: 8 pixels to a latent pixel, halved three times."""
    folder = tiny_models.make_pipeline(tmp_path_factory.mktemp("sd1"), "sd1")
    return selfrect.load_model(folder, device="cpu", dtype="float32")


def picture(height=128, width=128, seed=0):
    coarse = np.random.default_rng(seed).random((height // 8, width // 8, 3), dtype=np.float32)
    return np.ascontiguousarray(coarse.repeat(8, 0).repeat(8, 1))


def tiling(height=128, width=128, seed=1):
    """Waves that go around."""
    y, x = np.mgrid[:height, :width] * (2 * np.pi / np.array([height, width]))[:, None, None]
    phase = np.random.default_rng(seed).random(6) * 6
    waves = [np.sin(k * x + m * y + p) for k, m, p in zip((1, 2, 3, 0, 5, 4), (2, 0, 1, 3, 4, 5), phase, strict=True)]
    return np.stack([0.5 + 0.12 * sum(waves[c : c + 4]) / 2 for c in range(3)], 2).astype(np.float32)


def made(model, reference, target, how):
    """By the network alone, before anything else is done to it."""
    return selfrect.rectify(model, reference, target, how).rounds[-1]


def settings(axes, **more):
    x, y = AXES[axes]
    return {**QUICK, "tile_x": x, "tile_y": y, **more}


@pytest.mark.parametrize(("axes", "injection"), [("x", "current"), ("y", "current"), ("xy", "recorded")])
def test_a_target_rolled_before_is_a_result_rolled_after(model, axes, injection):
    target, where = tiling(), [axis for axis, on in zip((1, 0), AXES[axes], strict=True) if on]
    how = settings(axes, injection=injection)
    straight = made(model, picture(64, 64), target, how)
    rolled = made(model, picture(64, 64), np.roll(target, [64] * len(where), where), how)
    assert np.abs(np.roll(straight, [64] * len(where), where) - rolled).max() < 1e-3


def test_without_it_the_edges_are_where_they_are(model):
    plain, rolled = (made(model, picture(64, 64), np.roll(tiling(), by, 1), QUICK) for by in (0, 64))
    assert np.abs(np.roll(plain, 64, 1) - rolled).max() > 0.02


def test_the_codec_in_tiles_goes_around_as_well(model, monkeypatch):
    whole = made(model, picture(64, 64), tiling(), settings("xy"))
    kept.use(memory=0, disk=0)
    monkeypatch.setattr("selfrect.memory.CODEC_TILE", 64)
    at_work = Work.rung_at_work.fget
    monkeypatch.setattr(Work, "rung_at_work", property(lambda work: replace(at_work(work), codec_tiles=True)))
    assert np.abs(made(model, picture(64, 64), tiling(), settings("xy")) - whole).max() < 1e-3


def test_the_reference_stays_as_it_was_and_nothing_else_is_shared(model):
    reference = picture(64, 64)
    before = selfrect.rectify(model, reference, tiling(), QUICK)
    tiled = selfrect.rectify(model, reference, tiling(), settings("x"))
    fresh = _fresh(model, reference, tiling(), settings("x"))
    assert fresh.record["network_calls"] - tiled.record["network_calls"] == 2 + 2  # the reference's inversion, its keys and values
    assert np.abs(tiled.image - fresh.image).max() < 1e-5
    both = selfrect.rectify(model, reference, tiling(), settings("xy"))
    assert np.abs(both.image - tiled.image).max() > 1e-3
    assert np.array_equal(_fresh(model, reference, tiling(), QUICK).image, before.image), "bit by bit"


def _fresh(model, *what):
    kept.use(memory=0, disk=0)
    return selfrect.rectify(model, *what)


def test_windows_go_around_too(model, monkeypatch):
    seen, forward = [], UNet2DConditionModel.forward
    monkeypatch.setattr(UNet2DConditionModel, "forward", lambda self, z, *a, **k: seen.append(z.shape[2:]) or forward(self, z, *a, **k))
    how = settings("x", window=128)
    result = selfrect.rectify(model, picture(64, 64), tiling(128, 320), how)
    assert result.record["windows"] == {"count": 4, "size": [128, 128]}
    assert result.record["network_calls"] == len(seen)
    planned = plan_for(facts_of(model), model, {"references": [[64, 64]], "target": [320, 128]}, how)
    assert planned["calls"] == len(seen)
    assert wrap_difference(result.rounds[-1])["x"] < 1.2
    assert wrap_difference(made(model, picture(64, 64), tiling(128, 320), {**QUICK, "window": 128}))["x"] > 1.2


def test_any_size_tiles(model):
    target = tiling(100, 84)
    shown = []
    result = selfrect.rectify(model, picture(64, 64), target, settings("xy"), lambda *told: shown.append(told[3]))
    assert result.image.shape == target.shape
    assert target.shape in {preview.shape for preview in shown if preview is not None}
    assert max(wrap_difference(result.rounds[-1]).values()) < 1.2
    x = torch.from_numpy(target).movedim(2, 0)[None]
    once = fitted(x, 8, (True, True))
    assert once.shape[2:] == (104, 88)
    assert (unfitted(once, 100, 84, (True, True)) - x).abs().max() < 0.01
    assert torch.equal(fitted(x, 8, (False, False))[..., :100, :84], x)
    torch.testing.assert_close(stretched(x.roll(50, 2), 2, 104), stretched(x, 2, 104).roll(52, 2), atol=1e-5, rtol=0)
