# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines by name, and the one model that stays loaded."""

from __future__ import annotations

import numpy as np
import pytest
from selfrect import registry
from selfrect.engine import Request
from selfrect.models import loading
from selfrect.problems import Problem

QUICK = {"patches": "off", "steps": 2, "p1": 1, "s1": 1, "p2": 1, "s2": 1, "rounds": 1}


def request(**settings):
    picture = np.random.default_rng(0).random((32, 32, 3), dtype=np.float32)
    return Request([picture], picture[::-1].copy(), 0, {**QUICK, **settings})


@pytest.fixture(autouse=True)
def loads(monkeypatch):
    """The models that were loaded, in order; nothing is left loaded for the next test."""
    names, load = [], loading.load_model

    def counted(name, device, dtype):
        names.append(name)
        return load(name, device, dtype)

    monkeypatch.setattr(loading, "load_model", counted)
    registry.release()
    yield names
    registry.release()


def run(model="mini", engine="self-rectification", **settings):
    return registry.synthesize(engine, model, "cpu", "float32", request(**settings))


def test_a_model_is_loaded_once(loads):
    assert run().image.shape == run().image.shape == (32, 32, 3)
    assert loads == ["mini"]


def test_released_means_loaded_anew(loads):
    run()
    registry.release()
    run()
    assert loads == ["mini", "mini"]


def test_bad_input_is_told_before_a_model_is_loaded(loads):
    with pytest.raises(Problem, match="steps"):
        run(steps=0)
    assert loads == []


def test_a_model_that_cannot_be_loaded_leaves_none(loads):
    with pytest.raises(Problem, match="not on this machine"):
        run(model="sd-1.4-that-is-not-there")
    assert not registry._loaded


def test_an_unknown_engine_names_those_there_are():
    with pytest.raises(Problem, match="self-rectification"):
        run(engine="quilting-2")


def test_every_engine_describes_itself_as_data():
    for description in registry.engines():
        data = description.as_dict()
        assert {"name", "title", "paper", "needs_target", "settings"} <= set(data)
        assert all(s["title"] and s["description"] and s["kind"] in {"int", "float", "bool", "enum", "numbers"} for s in data["settings"])
