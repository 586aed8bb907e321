# SPDX-License-Identifier: GPL-3.0-or-later
"""From file to file: no step of 8 bits anywhere, and what a mask protects comes back as it went in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from selfrect import registry
from selfrect.cli import main
from selfrect.engine import Result
from selfrect.image import srgb_from_linear, write_data, write_image
from selfrect.image_files import open_picture, read_pixels

SIDE = 148
LEVELS = (np.arange(SIDE * SIDE * 3) % 65536).astype(np.uint16).reshape(SIDE, SIDE, 3)  # all 65,536 of them
HOLE = np.s_[60:100, 60:100]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A small reference, and a mask with a hole in the middle."""
    write_image(tmp_path / "reference.png", np.random.default_rng(0).random((48, 48, 3)))
    mask = np.zeros((SIDE, SIDE, 1), np.float32)
    mask[HOLE] = 1
    write_data(tmp_path / "mask.png", mask)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_work(monkeypatch):
    """The engine hands out another picture at once; all that is around it is the real one."""
    other = np.random.default_rng(9).random((SIDE, SIDE, 3), np.float32)
    record = {"size": [SIDE, SIDE], "network_calls": 0, "seconds": {"total": 0}}
    monkeypatch.setattr(registry, "_make", lambda *_: Result(other, record))


def rectified(target: str, output: str, *more: str) -> np.ndarray:
    """The values that stand in the result's file."""
    few = ["--steps", "2", "--device", "cpu", "--quiet"]
    assert main(["rectify", "--reference", "reference.png", "--target", target, "--output", output, "--mask", "mask.png", *few, *more]) == 0
    return values_of(output)


def values_of(name: str) -> np.ndarray:
    return read_pixels(Path(name), open_picture(Path(name)))


def outside(values: np.ndarray) -> np.ndarray:
    protected = np.ones((SIDE, SIDE), bool)
    protected[HOLE] = False
    return values[protected]


def test_a_ramp_of_all_levels_of_16_bits_comes_back_outside_the_mask(place):
    write_image("ramp.png", LEVELS / np.float32(65535), 16)
    made = rectified("ramp.png", "out.png")
    assert made.dtype == np.uint16
    np.testing.assert_array_equal(outside(made), outside(LEVELS))
    assert (made[HOLE] != LEVELS[HOLE]).mean() > 0.9
    assert len(np.unique(made[HOLE])) > 2000  # of 4,800 values: none was rounded to one of 256


def test_the_same_as_tiff(place, no_work):
    write_image("ramp.tif", LEVELS / np.float32(65535), 16)
    np.testing.assert_array_equal(outside(rectified("ramp.tif", "out.tif")), outside(LEVELS))


def test_a_picture_of_8_bits_comes_back_outside_the_mask(place, no_work):
    values = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    write_image("target.png", values / np.float32(255))
    made = rectified("target.png", "out.png")
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(outside(made), outside(values))


def test_halves_below_0_and_above_1_come_back_bit_by_bit(place, no_work):
    write_image("ramp.exr", srgb_from_linear(np.linspace(-0.5, 40, LEVELS.size).reshape(LEVELS.shape)), 16)
    made = rectified("ramp.exr", "out.exr", "--bits", "16")
    assert made.dtype == np.float16
    np.testing.assert_array_equal(outside(made), outside(values_of("ramp.exr")))


@pytest.mark.parametrize("ending", ["exr", "tif"])
def test_floats_come_back_to_the_rounding_of_the_curve_of_srgb(place, no_work, ending):
    write_image(f"ramp.{ending}", srgb_from_linear(np.linspace(-0.5, 40, LEVELS.size).reshape(LEVELS.shape)), 32)
    made = rectified(f"ramp.{ending}", f"out.{ending}", "--bits", "32")
    assert made.dtype == np.float32
    np.testing.assert_allclose(outside(made), outside(values_of(f"ramp.{ending}")), rtol=2e-6, atol=1e-7)


def test_alpha_outside_the_mask_comes_back(place, no_work):
    values = np.random.default_rng(1).integers(0, 65536, (SIDE, SIDE, 4), dtype=np.uint16)
    write_image("target.png", values / np.float32(65535), 16)
    np.testing.assert_array_equal(outside(rectified("target.png", "out.png")), outside(values))
