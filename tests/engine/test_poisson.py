# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures from gradients, and membranes over holes."""

from __future__ import annotations

import numpy as np
import pytest
from selfrect.poisson import membrane, screened

RANDOM = np.random.default_rng(3)
WRAPS = [(False, False), (True, False), (False, True), (True, True)]


def _differences(picture):
    return np.roll(picture, -1, 1) - picture, np.roll(picture, -1, 0) - picture


@pytest.mark.parametrize("wrap", WRAPS)
def test_a_picture_comes_back_from_its_own_differences_and_its_mean(wrap):
    picture = RANDOM.random((31, 40, 3)).astype(np.float32)
    flat = np.broadcast_to(picture.mean((0, 1)), picture.shape)
    assert np.abs(screened(flat, *_differences(picture), wrap, weight=0) - picture).max() < 1e-4


@pytest.mark.parametrize("wrap", WRAPS)
def test_the_answer_is_the_minimum(wrap):
    """Least squares, written out as a matrix."""
    rows, columns, weight = 5, 6, 0.3
    picture, gx, gy = RANDOM.random((3, rows, columns))
    equations, wanted = [], []
    for y in range(rows):
        for x in range(columns):
            for around, other, g in ((wrap[0], (y, x + 1), gx), (wrap[1], (y + 1, x), gy)):
                if around or (other[0] < rows and other[1] < columns):
                    line = np.zeros((rows, columns))
                    line[y, x] -= 1
                    line[other[0] % rows, other[1] % columns] += 1
                    equations.append(line.ravel())
                    wanted.append(g[y, x])
    equations = np.concatenate([equations, np.sqrt(weight) * np.eye(rows * columns)])
    best = np.linalg.lstsq(equations, np.concatenate([wanted, np.sqrt(weight) * picture.ravel()]), rcond=None)[0]
    assert np.abs(screened(picture, gx, gy, wrap, weight) - best.reshape(rows, columns)).max() < 1e-5


def test_a_step_that_nobody_wants_is_gone():
    picture = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (32, 1))
    broken = picture + (np.arange(64) >= 32) * np.float32(0.5)
    mended = screened(broken, *_differences(picture), weight=1e-6)
    assert np.abs(np.diff(mended, axis=1) - 1 / 63).max() < 1e-3


def _solved(difference, known, wrap):
    """Harmonic where not known, by a full matrix."""
    rows, columns = known.shape
    matrix, right = np.zeros((known.size, known.size)), np.where(known, difference, 0).ravel()
    for y in range(rows):
        for x in range(columns):
            n = y * columns + x
            if known[y, x]:
                matrix[n, n] = 1
                continue
            for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
                oy, ox = y + dy, x + dx
                if (wrap[1] or 0 <= oy < rows) and (wrap[0] or 0 <= ox < columns):
                    matrix[n, n] += 1
                    matrix[n, oy % rows * columns + ox % columns] -= 1
    return np.linalg.solve(matrix, right).reshape(rows, columns)


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("hole", [np.s_[8:25, 9:30], np.s_[:17, 20:], np.s_[3:5, :]])
def test_a_membrane_is_harmonic(hole, wrap):
    known = np.ones((34, 38), bool)
    known[hole] = False
    difference = RANDOM.random(known.shape).astype(np.float32)
    filled = membrane(difference, known, wrap)
    assert (filled[known] == difference[known]).all()
    assert np.abs(filled - _solved(difference, known, wrap)).max() < 2e-3


def test_a_membrane_over_a_large_hole_is_nearly_exact():
    """x² − y² is harmonic: known at the rim, it is known everywhere."""
    y, x = np.mgrid[-1:1:300j, -1:1:400j]
    h = (x[0, 1] - x[0, 0]) / (y[1, 0] - y[0, 0])
    whole = ((x / h) ** 2 - y**2).astype(np.float32)
    known = np.ones(whole.shape, bool)
    known[5:-5, 5:-5] = False
    assert np.abs(membrane(whole, known) - whole).max() < 0.005 * np.ptp(whole)


def test_nothing_known_and_everything_known():
    some = RANDOM.random((9, 11, 3)).astype(np.float32)
    assert (membrane(some, np.zeros((9, 11), bool)) == 0).all()
    assert (membrane(some, np.ones((9, 11), bool)) == some).all()
