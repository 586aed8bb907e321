# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts beside the engine: what results are compared with."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from selfrect.evaluation.cases import cases

RECIPES = Path(__file__).parents[2] / "server" / "recipes"


@pytest.fixture
def recipe(monkeypatch):
    """A script of that name, as a module."""
    monkeypatch.syspath_prepend(str(RECIPES))
    yield importlib.import_module
    for name in ("patch_baseline", "evaluate_cases", "rough_cases"):
        sys.modules.pop(name, None)


def stripes(side: int) -> np.ndarray:
    wave = np.sin(np.arange(side) * 0.8)[None, :, None] * 0.4 + 0.5
    return np.broadcast_to(wave, (side, side, 3)).astype(np.float32).copy()


def test_the_plain_patch_synthesis_keeps_what_is_placed_and_grows_the_reference_around_it(recipe):
    target = np.concatenate([np.random.default_rng(0).random((64, 64, 3), np.float32), np.zeros((64, 64, 1), np.float32)], 2)
    target[20:44, 20:44] = np.concatenate([stripes(24), np.ones((24, 24, 1), np.float32)], 2)
    made = recipe("patch_baseline").baseline(stripes(64), target)
    assert made.shape == (64, 64, 3)
    np.testing.assert_allclose(made[22:42, 22:42], target[22:42, 22:42, :3], atol=1e-5)
    rough, smooth = (np.abs(np.diff(picture[:, :16], axis=0)).mean() for picture in (target[..., :3], made))
    assert smooth < 0.5 * rough


def test_without_keys_and_values_the_reference_is_never_asked(recipe, monkeypatch):
    cases = recipe("evaluate_cases")
    monkeypatch.setattr(cases, "maker", lambda model, device, settings, seconds: settings)
    asked = cases.network_makers(argparse.Namespace(network=20, model="mini", device="cpu"), {})
    assert asked["network alone"] == {"patches": "off", "steps": 20, "p1": 8, "s1": 8, "p2": 2, "s2": 2}
    assert asked["no injection"] == {"patches": "off", "steps": 20, "p1": 0, "p2": 0, "s1": 20, "s2": 20}


def test_rough_cases_are_pieces_of_the_reference_on_its_shuffled_pixels(recipe, tmp_path, monkeypatch):
    rough_cases, chance = recipe("rough_cases"), np.random.default_rng(0)
    for name in ("one", "two"):
        Image.fromarray(chance.integers(0, 256, (96, 128, 3), np.uint8)).save(tmp_path / f"{name}.png")
    Image.new("RGB", (96, 96), "grey").save(tmp_path / "flat.png")
    made = []
    for output in ("a", "b"):
        given = [str(tmp_path), str(tmp_path / output), "--side", "96", "--seed", "3"]
        monkeypatch.setattr(sys, "argv", ["rough_cases.py", *given])
        rough_cases.main()
        made.append(list(cases(tmp_path / output, 96)))
    assert [case.name for case in made[0]] == ["one-1", "two-1"]
    for case, again in zip(*made, strict=True):
        assert np.array_equal(case.target, again.target)
        colours, alpha = case.target[..., :3], case.target[..., 3]
        assert set(np.unique(alpha)) == {0.0, 1.0}
        known = {tuple(colour) for colour in case.reference.reshape(-1, 3)}
        assert all(tuple(colour) in known for colour in colours[alpha == 0])
        assert not np.array_equal(colours[alpha == 0], case.reference[alpha == 0])
