# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings, and what an engine says of itself: all without PyTorch."""

from __future__ import annotations

import subprocess
import sys

import pytest
from selfrect.engines.self_rectification.settings import Settings
from selfrect.problems import Problem
from selfrect.registry import engines


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"steps": 0}, "from 2 to 250"),
        ({"steps": 10.5}, "whole number"),
        ({"steps": True}, "whole number"),
        ({"p1": -1}, "from 0 to 250"),
        ({"injection": "both"}, "current, recorded"),
        ({"background_eta": 1.5}, "from 0 to 1"),
        ({"background_eta": float("nan")}, "from 0 to 1"),
        ({"seed": -1}, "seed"),
        ({"sharpness": 1}, "sharpness"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_what_can(given, words):
    with pytest.raises(Problem, match=words) as caught:
        Settings.of(given)
    assert caught.value.code == "bad_input"


def test_defaults_are_the_papers():
    assert Settings.of(None).round_parameters() == [(20, 20), (5, 5)]
    assert Settings.of({"rounds": 1}).round_parameters() == [(20, 20)]


def test_every_declared_setting_can_be_given_by_its_name():
    declared = engines()[0].settings
    assert {s.name for s in declared} == set(Settings().as_dict())
    assert Settings.of({s.name: s.default for s in declared}) == Settings()


def test_describing_an_engine_does_not_import_torch():
    code = "import sys; from selfrect.registry import engines; engines(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
