# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches as a setting of self-rectification: instead of the network, after it, or not at all."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import selfrect
from selfrect import registry
from selfrect.engine import Request
from selfrect.engines.self_rectification.finish import mode, options
from selfrect.engines.self_rectification.settings import Settings
from selfrect.evaluation.tiling import wrap_difference
from selfrect.patches.synthesis import Options
from selfrect.problems import Problem

TOLD = ("self-rectification", "mini", "cpu", "float32")


@pytest.fixture(autouse=True)
def nothing_loaded():
    registry.release()
    yield
    registry.release()


def reference(height=64, width=70):
    random = np.random.default_rng(0)
    coarse = random.random((-(-height // 4), -(-width // 4), 3), dtype=np.float32)
    return np.ascontiguousarray(coarse.repeat(4, 0).repeat(4, 1)[:height, :width])


def target(height=51, width=67):
    picture = np.zeros((height, width, 4), np.float32)
    picture[8:40, 9:49, :3], picture[8:40, 9:49, 3] = reference()[12:44, 20:60], 1.0
    return picture


def request(settings=None, **more):
    return Request([reference()], target(), 0, {"steps": 10, "p1": 4, "s1": 4, **(settings or {})}, **more)


def test_the_embedded_model_is_not_even_loaded():
    heard = []
    made = registry.synthesize(*TOLD, request(), lambda *told: heard.append(told))
    assert not registry._loaded
    assert made.image.shape == (51, 67, 3)
    assert made.image.dtype == np.float32
    assert np.abs(made.image - target()[..., :3])[16:32, 17:41].max() < 5e-3
    record = made.record
    assert (record["patches"]["mode"], record["network_calls"], record["model"]["name"]) == ("instead", 0, "mini")
    assert len(record["model"]["hash"]) == 64
    assert record["patches"]["turns"][0] == 0
    assert {stage for stage, *_ in heard} == {"patches", "finish"}
    fractions = [told[4] for told in heard]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    assert any(told[3] is not None for told in heard)


def test_through_a_loaded_model_it_is_the_same():
    model = selfrect.load_model("mini", device="cpu", dtype="float32")
    loaded = selfrect.rectify(model, reference(), target(), {"steps": 10, "p1": 4, "s1": 4})
    assert np.array_equal(loaded.image, registry.synthesize(*TOLD, request()).image)
    assert loaded.record["network_calls"] == 0


def test_after_the_network():
    few = {"patches": "finish", "steps": 2, "p1": 1, "s1": 1, "p2": 1, "s2": 1, "rounds": 1}
    heard = []
    made = registry.synthesize(*TOLD, request(few), lambda *told: heard.append(told))
    assert made.record["patches"]["mode"] == "finish"
    assert made.record["network_calls"] > 0
    assert len(made.rounds) == 1
    assert not np.array_equal(made.image, made.rounds[0])
    fractions = [told[4] for told in heard if len(told) == 5]
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1)
    assert list(dict.fromkeys(told[0] for told in heard))[-2:] == ["patches", "finish"]


def test_cancelled_within_a_second():
    stopped = []

    def report(*told):
        if stopped:
            raise Problem("cancelled", "Stopped.", "")
        if told[1] > 5:
            stopped.append(time.monotonic())
            raise Problem("cancelled", "Stopped.", "")

    with pytest.raises(Problem, match="Stopped"):
        registry.synthesize(*TOLD, request(), report)
    assert time.monotonic() - stopped[0] < 1


def test_nobody_looks_no_previews():
    heard = []
    registry.synthesize(*TOLD, request(preview=False), lambda *told: heard.append(told))
    assert all(told[3] is None for told in heard)


def test_a_plan_knows_there_are_no_calls():
    sizes = {"references": [[512, 512]], "target": [512, 512]}
    plan = registry.plan(*TOLD, sizes, {})
    assert (plan["calls"], plan["calls_if_kept"], plan["windows"]["count"]) == (0, 0, 1)
    assert plan["seconds"] > 0
    assert registry.plan(*TOLD, {}, {}, request())["calls"] == 0
    assert registry.plan(*TOLD, sizes, {"patches": "off"})["calls"] > 0


def test_auto_is_for_the_embedded_model_alone():
    assert mode(Settings(), "mini") == "instead"
    assert {mode(Settings(), family) for family in ("sd1", "sd2", "sdxl", "other", "")} == {"off"}
    assert mode(Settings(patches="finish"), "mini") == "finish"
    assert mode(Settings(patches="off"), "mini") == "off"


def test_the_published_settings_are_the_usual_ones():
    assert options(Settings()) == Options()


def test_structure_and_detail_become_guidance_and_evenness():
    loose, strict = (options(Settings(p1=p)) for p in (0, 40))
    usual = options(Settings())
    assert loose.guidance[1] == 0 < usual.guidance[1] < strict.guidance[1]
    assert 0 < loose.guidance[0] < usual.guidance[0] < strict.guidance[0]
    assert strict.border < usual.border < loose.border
    assert not loose.exact
    assert options(Settings(s1=0)).evenness > usual.evenness > options(Settings(s1=40)).evenness == 0
    assert options(Settings(steps=20, p1=8, s1=8)) == replace(usual, rounds=(3, 1))
    assert options(Settings(seed=7)).seed == 7


def test_mirrored_copies_take_part_when_they_are_asked_for():
    mirrored = target()
    mirrored[8:40, 9:49, :3] = reference()[12:44, 20:60][:, ::-1]
    unlike = [
        registry.synthesize(*TOLD, Request([reference()], mirrored, 0, {"steps": 10, "augment": n})).record["patches"]["unlike"]
        for n in (0, 7)
    ]
    assert unlike[1] < 0.2 * unlike[0]


@pytest.mark.parametrize(("x", "y"), [(True, False), (False, True), (True, True)])
def test_edges_meet_where_it_is_to_tile(x, y):
    """Waves of odd lengths, which do not meet by themselves; all of it is placed."""
    rows, columns = np.mgrid[:96, :96].astype(np.float32)
    waves = 0.5 + 0.2 * np.sin(columns / 2.3 + np.sin(rows / 9)) + 0.2 * np.sin(rows / 2.9)
    picture = waves[..., None] * np.array([1, 0.8, 0.6], np.float32)
    settings = {"steps": 20, "p1": 8, "s1": 8, "tile_x": x, "tile_y": y}
    tiled = registry.synthesize(*TOLD, Request([picture], picture, 0, settings)).image
    before, after = wrap_difference(picture), wrap_difference(tiled)
    for axis, wanted in (("x", x), ("y", y)):
        assert not wanted or after[axis] <= 1.0 < before[axis], (before, after)


def test_tiling_leaves_it_to_the_model():
    assert mode(Settings(tile_y=True), "sd1") == mode(Settings(), "sd1") == "off"
    assert mode(Settings(tile_x=True), "mini") == "instead"
    Settings(tile_x=True, patches="off").check()
    with pytest.raises(Problem, match="tile_x is 1"):
        Settings(tile_x=1).check()
