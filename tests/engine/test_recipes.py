# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts beside the engine: what results are compared with."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

RECIPES = Path(__file__).parents[2] / "server" / "recipes"


@pytest.fixture
def recipe(monkeypatch):
    """A script of that name, as a module."""
    monkeypatch.syspath_prepend(str(RECIPES))
    yield importlib.import_module
    for name in ("patch_baseline", "evaluate_cases"):
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
