# SPDX-License-Identifier: GPL-3.0-or-later
"""The contact sheet: which variations, in which order, and where each stands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfrect_blender.host import variations
from selfrect_blender.host.variations import Sheet


@given(st.floats(0, 1), st.integers(1, 8))
def test_positions_rise_evenly_within_the_slider(value, count):
    positions = variations.around(value, count)
    assert len(positions) == count
    assert 0 <= positions[0] <= positions[-1] <= 1
    assert np.all(np.diff(positions) > 0.1)
    assert min(abs(position - value) for position in positions) <= 0.5


def test_the_chosen_setting_is_in_the_middle():
    assert variations.around(0.5, 3) == [0.25, 0.5, 0.75]
    assert variations.around(0.9, 3) == [0.5, 0.75, 1.0]


def test_one_structure_is_one_row_made_in_one_go():
    grid = variations.grid(0.5, 0.5, 2, 3)
    assert [(v.row, v.column) for v in grid] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert len({v.sliders["structure"] for v in grid[:3]}) == 1
    assert len({v.sliders["detail"] for v in grid[:3]}) == 3
    assert [v.seed for v in variations.seeds(7, 2, 2)] == [7, 8, 9, 10]


@pytest.mark.parametrize("picture", [(1024, 512), (40, 36), (17, 300), (256, 256)])
def test_each_picture_is_found_where_it_was_put_and_nothing_between(picture):
    sheet = Sheet(2, 3, picture)
    paper, (width, height) = sheet.empty(), sheet.size
    assert paper.shape == (height, width, 4)
    for row in range(2):
        for column in range(3):
            flat = np.full(picture[0] * picture[1] * 4, (row * 3 + column + 1) / 10, np.float32)
            sheet.place(paper, row, column, flat)
    for y in range(0, height, 3):
        for x in range(0, width, 3):
            place = sheet.at((x + 0.5) / width, (y + 0.5) / height)
            expected = sheet.empty()[0, 0, 0] if place is None else (place[0] * 3 + place[1] + 1) / 10
            assert paper[y, x, 0] == pytest.approx(expected)


def test_a_picture_is_made_smaller_by_means_and_not_turned():
    sheet = Sheet(1, 1, (512, 1024))
    pixels = np.zeros((1024, 512, 4), np.float32)
    pixels[:512] = np.tile([0.0, 1.0], 256)[None, :, None]  # the lower half: stripes of one pixel
    paper = sheet.empty()
    sheet.place(paper, 0, 0, pixels.ravel())
    x, y = sheet.corner(0, 0)
    assert sheet.cell == (128, 256)
    np.testing.assert_allclose(paper[y : y + 128, x : x + 128], 0.5)
    np.testing.assert_allclose(paper[y + 128 : y + 256, x : x + 128], 0)
