# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds per call: kept, found again, scaled to sizes nearby, and never in the way."""

from __future__ import annotations

import pytest
from selfrect import calibration

KEY = ("hash", "cpu", "bfloat16")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SELFRECT_CACHE", str(tmp_path))
    return tmp_path


def test_nothing_is_known_of_what_was_not_measured():
    assert calibration.known(*KEY, 4096) is None


def test_what_was_measured_is_known():
    calibration.note(*KEY, 4096, 2.0)
    assert calibration.known(*KEY, 4096) == 2.0
    assert calibration.known("other", "cpu", "bfloat16", 4096) is None
    assert calibration.known("hash", "cuda", "bfloat16", 4096) is None
    assert calibration.known("hash", "cpu", "float32", 4096) is None


def test_sizes_nearby_are_scaled_and_far_ones_unknown():
    calibration.note(*KEY, 4096, 2.0)
    assert calibration.known(*KEY, 8192) == pytest.approx(4.0)
    assert calibration.known(*KEY, 2048) == pytest.approx(1.0)
    assert calibration.known(*KEY, 4096 * 5) is None


def test_between_two_sizes_lies_between():
    calibration.note(*KEY, 4096, 2.0)
    calibration.note(*KEY, 16384, 18.0)
    assert calibration.known(*KEY, 8192) == pytest.approx(6.0)


def test_a_busy_day_is_not_for_ever():
    for seconds in (10.0, 2.0, 2.0, 2.0, 2.0, 2.0):
        calibration.note(*KEY, 4096, seconds)
    assert calibration.known(*KEY, 4096) == pytest.approx(2.0, abs=0.3)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_nonsense_is_not_kept(seconds):
    calibration.note(*KEY, 4096, seconds)
    assert calibration.known(*KEY, 4096) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"a": 1}', b'{"4096": "x"}', b"\xff"])
def test_a_damaged_file_is_none(own_cache, content):
    calibration.note(*KEY, 4096, 2.0)
    next(own_cache.rglob("*.json")).write_bytes(content)
    assert calibration.known(*KEY, 4096) is None
    calibration.note(*KEY, 4096, 3.0)
    assert calibration.known(*KEY, 4096) == 3.0


def test_measuring_leaves_a_measurement():
    from selfrect.models.loading import load_model

    model = load_model("mini", device="cpu", dtype="float32")
    seconds = calibration.measure(model, 16, 16, calls=1)
    assert calibration.known(model.hash, "cpu", "float32", 256) == seconds > 0
    calibration.clear()
    assert calibration.known(model.hash, "cpu", "float32", 256) is None
