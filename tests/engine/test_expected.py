# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds of what is no network call: the formula, what a run teaches it, and the plan that tells them."""

from __future__ import annotations

import numpy as np
import pytest
from selfrect import calibration, cli, expected, registry, write_image
from selfrect.engine import Request

SMALL, LARGE = (256, 256), (512, 512)
TOLD = ("self-rectification", "mini", "cpu", "auto")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SELFRECT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(expected, "_machine", lambda: 1.0)


def planned(sizes=None, **settings):
    return registry.plan(*TOLD, {"references": [[256, 256]], "target": [256, 256]} | (sizes or {}), settings)["seconds"]


def test_more_pixels_take_longer_and_beyond_what_is_searched_little_more():
    assert expected.patches(SMALL, [SMALL]) < expected.patches(LARGE, [SMALL]) < expected.patches(LARGE, [LARGE])
    searched, drawn = expected.patches((1024, 1024), [LARGE]), expected.patches((2048, 2048), [LARGE])
    assert searched < drawn < 2 * searched
    assert expected.field((2048, 2048), [LARGE], True) < 2 * expected.field((1280, 1280), [LARGE], True)
    assert expected.field(SMALL, [SMALL], True) < expected.field(SMALL, [SMALL], False)


def test_a_run_corrects_the_formula_for_this_machine_alone_and_the_newest_by_half():
    formula = expected.patches(SMALL, [SMALL])
    assert expected.seconds(expected.PATCHES, "cpu", formula) == formula
    expected.note(expected.PATCHES, "cpu", formula, 3 * formula)
    assert expected.seconds(expected.PATCHES, "cpu", 2.0) == pytest.approx(6.0)
    expected.note(expected.PATCHES, "cpu", formula, formula)
    assert expected.seconds(expected.PATCHES, "cpu", 2.0) == pytest.approx(4.0)
    assert expected.seconds(expected.FIELD, "cpu", 2.0) == 2.0
    assert expected.seconds(expected.PATCHES, "cuda", 2.0) < 2.0
    calibration.clear()
    assert expected.seconds(expected.PATCHES, "cpu", 2.0) == 2.0


def test_a_damaged_file_is_none_and_what_is_no_time_is_not_kept():
    expected.note(expected.MAPS, "cpu", 1.0, 2.0)
    expected.note(expected.MAPS, "cpu", 1.0, 0.0)
    expected.note(expected.MAPS, "cpu", 0.0, 1.0)
    assert expected.seconds(expected.MAPS, "cpu", 1.0) == 2.0
    expected._file().write_text("[]", "utf-8")
    assert expected.seconds(expected.MAPS, "cpu", 1.0) == 1.0


def test_a_plan_counts_patches_field_and_every_map():
    plain, one, two = (planned({"maps": [[256, 256]] * count}) for count in range(3))
    assert plain == round(expected.patches(SMALL, [SMALL]), 1)
    assert plain < one < two
    assert planned({"maps": [[1024, 1024]]}) > planned({"maps": [[256, 256]]})
    assert planned(true_pixels=1.0) == one
    assert planned(turns="auto") > plain


def test_a_plan_with_the_network_counts_what_follows_it():
    sizes = {"references": [[64, 64]], "target": [64, 64]}
    facts = registry.plan(*TOLD[:3], "float32", sizes, {"patches": "off"})
    assert facts["seconds"] is None  # nothing was measured yet: a part of the whole would be no answer
    from selfrect.models.facts import read_facts

    calibration.note(read_facts("mini", "cpu", "float32").hash, "cpu", "float32", 16 * 16, 0.01)
    alone, finished, mapped = (
        registry.plan(*TOLD[:3], "float32", sizes | more, {"patches": how})["seconds"]
        for how, more in (("off", {}), ("finish", {}), ("off", {"maps": [[64, 64]]}))
    )
    assert alone == pytest.approx(3.5, abs=0.1)
    assert finished == pytest.approx(alone + expected.patches((64, 64), [(64, 64)]), abs=0.2)
    assert mapped > alone


def test_maps_of_no_size_are_refused():
    with pytest.raises(Exception, match="maps"):
        planned({"maps": [[0, 4]]})


def test_a_finished_run_is_remembered():
    picture = np.random.default_rng(0).random((32, 32, 3), dtype=np.float32)
    registry.synthesize(*TOLD, Request([picture], picture, 0, {"steps": 2}, maps={"height": [picture[..., :1]]}))
    assert set(expected._read()) == {"patches cpu", "field cpu", "maps cpu"}


def test_the_command_says_so(tmp_path, capsys):
    picture = np.random.default_rng(0).random((32, 32, 3), dtype=np.float32)
    write_image(tmp_path / "a.png", picture)
    words = ["rectify", "--reference", str(tmp_path / "a.png"), "--target", str(tmp_path / "a.png"), "--plan", "--device", "cpu"]
    assert cli.main([*words, "--model", "mini"]) == 0
    assert capsys.readouterr().out.startswith("no network calls, about 0:0")
