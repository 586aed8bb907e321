# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the parts of a comparison lie, at any zoom and place."""

from __future__ import annotations

import pytest

from selfrect_blender.ui.compare_geometry import (
    Rect,
    beside,
    border,
    fraction_at,
    handle_height,
    is_near_border,
    picture_rect,
    zoom_for,
)

RECT = Rect(100.0, 50.0, 300.0, 150.0)


def test_the_picture_is_found_to_parts_of_a_pixel():
    # a picture of 128 × 64 at 2.5 pixels for one, its lower left corner at (33.3, −20.25) of a region of 800 × 600
    zoom, corner, size, region = 2.5, (33.3, -20.25), (128, 64), (800, 600)
    lower = [-place / (zoom * side) for place, side in zip(corner, size, strict=True)]
    upper = [(extent - place) / (zoom * side) for extent, place, side in zip(region, corner, size, strict=True)]
    rect = picture_rect(lower, upper, region)
    assert (rect.left, rect.bottom) == pytest.approx(corner)
    assert (rect.width, rect.height) == pytest.approx((320, 160))


@pytest.mark.parametrize("size", [(64, 64), (32, 128), (1, 1), (4096, 1024)])
def test_beside_is_as_high_and_keeps_its_proportions(size):
    other = beside(RECT, size)
    assert (other.bottom, other.top) == (RECT.bottom, RECT.top)
    assert other.left > RECT.right
    assert other.width / other.height == pytest.approx(size[0] / size[1])


@pytest.mark.parametrize("fraction", [0.0, 0.25, 1.0])
def test_border_and_back(fraction):
    assert fraction_at(RECT, border(RECT, fraction)) == fraction


def test_a_drag_beyond_the_picture_stops_at_its_edges():
    assert fraction_at(RECT, -1e6) == 0
    assert fraction_at(RECT, 1e6) == 1
    assert fraction_at(Rect(5, 0, 5, 1), 5) == 0, "a picture without width"


def test_only_the_border_itself_takes_the_mouse():
    assert is_near_border(RECT, 0.5, (206, 100), 8)
    assert not is_near_border(RECT, 0.5, (209, 100), 8)
    assert not is_near_border(RECT, 0.5, (200, 10), 8)
    assert not is_near_border(RECT, 0.5, (200, 170), 8)


def test_the_handle_stays_in_sight():
    assert handle_height(RECT, 600) == 100
    assert handle_height(Rect(0, -1000, 10, 3000), 600) == 300


def test_three_copies_fit():
    zoom = zoom_for(3, (900, 600), (100, 100))
    assert zoom * 300 <= 600
    assert zoom_for(1, (900, 600), (0, 0)) > 0
