# SPDX-License-Identifier: GPL-3.0-or-later
"""The yardstick is what it says: the plain way's picture and its count of calls, and the table made of measurements."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import selfrect
import torch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "engine")]

import bench  # noqa: E402
import counting  # noqa: E402
import measuring  # noqa: E402
import pictures  # noqa: E402
import subjects  # noqa: E402
import tiny_models  # noqa: E402

FEW = {"patches": "off", "steps": 6, "p1": 2, "s1": 2, "p2": 1, "s2": 1}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return str(tiny_models.make_pipeline(tmp_path_factory.mktemp("sd1"), "sd1"))


@pytest.fixture(autouse=True)
def small_subjects(small, monkeypatch, tmp_path):
    monkeypatch.setattr(subjects, "folder", lambda name: small)
    monkeypatch.setenv("SELFRECT_CACHE", str(tmp_path))


@pytest.mark.parametrize(("references", "evals"), [(1, 500), (4, 950)])
def test_the_plain_way_makes_the_calls_of_the_straightforward_row(references, evals):
    assert counting.evals(counting.plain(references)) == evals


def test_ours_makes_fewer_on_the_first_run_and_fewer_still_for_another_target():
    model = selfrect.load_model("mini", device="cpu", dtype="float32")
    first, again = counting.ours(model, [subjects.picture(64, 0)], [subjects.picture(64, 1), subjects.picture(64, 2)])
    assert counting.evals(first) <= 365
    assert counting.evals(again) <= 275


def test_calls_are_told_apart_by_how_many_references_they_attend_to():
    model = selfrect.load_model("mini", device="cpu", dtype="float32")
    references = [subjects.picture(64, seed) for seed in range(4)]
    first, again = counting.ours(model, references, [subjects.picture(64, 8), subjects.picture(64, 9)])
    assert first["inject 4"] == again["inject 4"] > first["inject 1"] > 0


def test_the_plain_way_makes_the_same_picture(small):
    """Otherwise its seconds would be those of something else."""
    reference, target = subjects.picture(64, 1), subjects.picture(64, 2)
    plain, _ = pictures.by_the_plain_way("sd", reference, target, FEW)
    ours = selfrect.rectify(selfrect.load_model(small, device="cpu", dtype="float32"), reference, target, FEW | subjects.ALONE).image
    assert np.abs(plain - ours).max() < 1e-3
    assert pictures.psnr(plain, ours) > 60
    other = selfrect.rectify(selfrect.load_model(small, device="cpu"), target, target, FEW | subjects.ALONE).image
    assert np.abs(other - plain).max() > 1e-2


@pytest.mark.parametrize(
    ("way", "kinds"), [("of_plain", ["batch 1", "batch 3 inject", "decode"]), ("of_ours", ["plain", "keys", "inject 4", "encode"])]
)
@torch.inference_mode()
def test_every_kind_is_measured(way, kinds):
    found = getattr(measuring, way)("sd", 64, kinds, repeat=1, device="cpu")
    assert set(found["seconds"]) == set(kinds)
    assert min(found["seconds"].values()) > 0
    assert found["peak"] > 0


def test_the_table(monkeypatch, tmp_path, capsys, small):
    """Measurements of one second each: then the ratios are those of the calls."""

    def child(**ask):
        none = dict.fromkeys(("encode", "decode"), 0.0)
        seconds = {kind: float(kind.split()[1]) if kind.startswith("batch") else 1.0 for kind in ask["kinds"]} | none
        return {"seconds": seconds, "peak": 10**9 if ask["way"] == "ours" else 4 * 10**9, "dtype": "float32"}

    monkeypatch.setattr(bench, "child", child)
    monkeypatch.setattr(subjects, "tiny", lambda name, place: small)
    monkeypatch.setattr(subjects, "picture", lambda side, seed, draw=subjects.picture: draw(64, seed))
    monkeypatch.setattr(subjects, "ROOT", tmp_path)
    made = bench.Bench(["sd"], [512, 1024], 1)
    made.run()
    made.tell()
    written = json.loads(made.write().read_text("utf-8"))
    assert set(written["ratios"]) == {"n1_first", "n1_repeat", "n4_first", "n4_repeat", "memory"}
    assert written["ratios"]["memory"] == 0.25
    assert written["ratios"]["n1_first"] == pytest.approx(500 / 351, abs=0.05)
    assert written["ratios"]["n4_repeat"] == pytest.approx(950 / 263, abs=0.1)
    assert "SD 1.4" in capsys.readouterr().out
