# SPDX-License-Identifier: GPL-3.0-or-later
"""Strokes, scattered copies, warps, whole pictures, and the pixels kept for undo."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_edit_patches import picture

from selfrect_blender.edit import arranging, compositing, patches, paths, scattering, warping
from selfrect_blender.edit.boxes import Box
from selfrect_blender.edit.undo_tree import Change, UndoTree

seeds = st.integers(0, 2**32 - 1)


@given(st.lists(st.tuples(st.floats(0, 300), st.floats(0, 300)), min_size=2, max_size=8), st.floats(0.5, 20))
def test_a_smooth_path_keeps_its_ends_and_has_equal_steps(points, spacing):
    path = paths.smooth(points, spacing)
    np.testing.assert_array_equal(path[[0, -1]], np.array(points)[[0, -1]])
    if len(path) > 2:
        steps = np.hypot(*np.diff(path, axis=0).T)
        assert steps.max() < spacing * 1.6


def test_a_straight_stroke_is_the_strip_itself():
    strip = picture(3, 40, 9, brightest=4, opaque=True)
    field = paths.field(np.array([(5.0, 10.5), (45.0, 10.5)]), 5)
    layer = paths.bent(strip, field, 9, softness=0)
    box = field.box
    inner = Box(8, 7, 42, 14).moved(-box.x0, -box.y0)
    np.testing.assert_allclose(layer[inner.slices], strip[1:-1, 3:37], atol=1e-5)
    canvas = picture(4, 60, 30)
    before = canvas.copy()
    compositing.stamp(canvas, layer, box, premultiplied=True)
    np.testing.assert_array_equal(canvas[18:], before[18:])


def test_along_a_bend_the_texture_keeps_its_pace():
    """Stripes across the path: as many per pixel of length on a circle's middle line as on a straight one, and no seam."""
    ramp = np.ones((8, 50, 4), np.float32)
    ramp[..., 0] = np.linspace(0, 1, 50)
    angle = np.linspace(0, 1.5 * np.pi, 60)
    circle = 100 + 60 * np.stack([np.cos(angle), np.sin(angle)], 1)
    path = paths.smooth(circle, 2)
    field = paths.field(path, 8)
    np.testing.assert_allclose(field.length, 60 * 1.5 * np.pi, rtol=0.01)
    layer = paths.bent(ramp, field, 16, softness=0.2)
    places = np.rint(path[10:-10] - 0.5).astype(int) - (field.box.x0, field.box.y0)
    seen = layer[places[:, 1], places[:, 0]]
    np.testing.assert_allclose(seen[:, 3], 1, atol=1e-5)
    step = np.abs(np.diff(seen[:, 0]))
    assert step.max() < 0.05, "there and back again: no jump where the strip ends"
    np.testing.assert_allclose(step.mean(), 2 * 8 / 16 / 50, rtol=0.25)
    around = field.distance[np.isfinite(field.distance)]
    assert around.max() <= 8


def test_a_click_without_a_movement_is_a_dot():
    field = paths.field(np.array([(20.0, 20.0)]), 6)
    dot = paths.brush(field, 5, softness=0.5)
    np.testing.assert_allclose(dot.sum(), np.pi * 4 * 4, rtol=0.2)
    assert dot.max() == 1
    np.testing.assert_allclose(dot, dot.T)


def test_a_strip_is_read_in_its_direction():
    source = np.zeros((40, 40, 4), np.float32)
    source[..., 0] = np.arange(40)[:, None]  # brighter upwards
    strip = paths.strip_of(source, (20, 5), (20, 35), 10)
    assert strip.shape == (10, 30, 4)
    np.testing.assert_allclose(strip[4, :, 0], np.arange(5, 35), atol=1e-4)


@given(seeds, st.booleans())
def test_scattered_copies_do_not_overlap_and_come_again_with_the_seed(seed, wrap):
    mask = np.zeros((24, 16), np.float32)
    mask[2:22, 2:14] = 1
    spread = scattering.Spread(turn=math.pi, smallest=0.5, largest=1.5, gap=2, wrap=wrap)
    places = scattering.scattered(mask, 160, 120, 12, seed, spread)
    assert places == scattering.scattered(mask, 160, 120, 12, seed, spread)
    assert 1 <= len(places) <= 12
    taken = np.zeros((120, 160, 4), np.float32)
    layer = mask[..., None] * np.ones(4, np.float32)
    area = 0.0
    for place in places:
        box, pixels = patches.placed(layer, place)
        if not wrap:
            inside = box.clipped(160, 120).moved(-box.x0, -box.y0)
            np.testing.assert_allclose(pixels[inside.slices].sum(), pixels.sum(), rtol=1e-3)
        alone = np.zeros_like(taken)
        compositing.stamp(alone, pixels, box, True, wrap)
        assert not ((alone[..., 3] > 0.5) & (taken[..., 3] > 0.5)).any()
        taken = np.maximum(taken, alone)
        area += mask.sum() * place.scale**2
    np.testing.assert_allclose(taken[..., 3].sum(), area, rtol=0.1)


def test_a_full_picture_takes_no_more():
    places = scattering.scattered(np.ones((50, 50), np.float32), 128, 128, 100, 0, scattering.Spread(0, 1, 1))
    assert 1 <= len(places) <= 4
    assert not scattering.scattered(np.ones((50, 50), np.float32), 40, 40, 5, 0, scattering.Spread(0, 1, 1))


def test_handles_that_stay_change_nothing():
    box, _ = warping.warped(picture(1, 50, 40), np.zeros((4, 5, 2)))
    assert box.empty


@given(st.floats(-6, 6), st.floats(-6, 6), st.integers(0, 3), st.integers(0, 4))
def test_the_picture_follows_a_handle_and_stays_far_from_it(x, y, row, column):
    y_, x_ = np.mgrid[:90, :120].astype(np.float32) + 0.5
    source = np.stack([x_, y_, x_ * 0, x_ * 0 + 1], -1)
    offsets = np.zeros((4, 5, 2))
    offsets[row, column] = x, y
    box, pixels = warping.warped(source, offsets, "CLAMP")
    result = source.copy()
    result[box.slices] = pixels
    handle = np.array([column * 30, row * 30])
    there = np.floor(handle + np.array([x, y])).astype(int)
    if (there >= 0).all() and there[0] < 120 and there[1] < 90:
        wanted = np.clip(there + 0.5 - (x, y), 0.5, (119.5, 89.5))
        np.testing.assert_allclose(result[there[1], there[0], :2], wanted, atol=0.9)
    far = (np.abs(x_ - handle[0]) > 60 + 7) | (np.abs(y_ - handle[1]) > 60 + 7)
    np.testing.assert_array_equal(result[far], source[far])


def test_all_handles_together_move_the_picture():
    source = picture(5, 64, 48)
    box, pixels = warping.warped(source, np.full((3, 4, 2), (5, -3)), "WRAP")
    assert box == (0, 0, 64, 48)
    np.testing.assert_allclose(pixels, np.roll(source, (-3, 5), (0, 1)), atol=1e-5)


@given(seeds)
def test_whole_pictures_come_back(seed):
    source = picture(seed, 20, 14)
    np.testing.assert_array_equal(arranging.turned(source, 2 * math.pi), source)
    np.testing.assert_array_equal(arranging.turned(arranging.turned(source, math.pi / 2), -math.pi / 2), source)
    np.testing.assert_array_equal(arranging.turned(source, math.pi), source[::-1, ::-1])
    assert arranging.turned(source, math.pi / 2).shape == (20, 14, 4)
    np.testing.assert_array_equal(arranging.pushed(arranging.pushed(source, 3, 5), -3, -5), source)
    np.testing.assert_array_equal(arranging.mirrored(arranging.mirrored(source, x=True), x=True), source)
    assert arranging.turned(source, 0.3).shape == source.shape


def test_turned_by_a_quarter_left_goes_down():
    source = np.zeros((4, 6, 4), np.float32)
    source[3, 0] = 1  # upper left
    turned = arranging.turned(source, math.pi / 2)
    assert turned[0, 0].all()  # lower left: counter-clockwise
    _, placed = patches.placed(source, patches.Placement(2, 3, math.pi / 2))
    np.testing.assert_array_equal(placed, turned)


@pytest.mark.parametrize(("fit", "middle"), [("SCALE", 1), ("CROP", 1), ("EXTEND", 1)])
def test_other_sizes(fit, middle):
    source = np.ones((20, 30, 4), np.float32)
    result = arranging.fitted(source, 50, 44, fit)
    assert result.shape == (44, 50, 4)
    np.testing.assert_allclose(result[22, 25], middle)
    np.testing.assert_allclose(result[0, 0, 3], 0 if fit == "EXTEND" else 1)
    np.testing.assert_array_equal(arranging.fitted(source, 30, 20, fit), source)
    assert arranging.fitted(source, 10, 8, fit).shape == (8, 10, 4)


def test_repeated_and_filled():
    source = picture(2, 5, 4)
    np.testing.assert_array_equal(arranging.repeated(source, 3, 2)[4:8, 5:10], source)
    assert arranging.repeated(source, 3, 2).shape == (8, 15, 4)
    np.testing.assert_array_equal(arranging.filled(source, 12, 6), arranging.repeated(source, 3, 2)[:6, :12])


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.integers(0, 2000))
def test_every_state_can_be_reached_from_every_other(parents, budget):
    """A history that branches: each step writes a pixel; the way from state to state turns one picture into the other."""
    tree, pictures, size = UndoTree(budget=budget), {0: np.zeros((4, 4, 1), np.uint8)}, (4, 4)
    for state, parent in enumerate(parents, 1):
        parent = min(parent, state - 1)
        after = pictures[parent].copy()
        box = Box(state % 4, 0, state % 4 + 1, 4)
        after[box.slices] = state
        tree.add(state, parent, [Change(box, pictures[parent][box.slices].copy(), after[box.slices].copy())], size, size)
        pictures[state] = after
    for start in pictures:
        for end in pictures:
            current = pictures[start].copy()
            for edit, forwards in tree.way(start, end):
                for change in tree.changes(edit):
                    current[change.box.slices] = change.after if forwards else change.before
            np.testing.assert_array_equal(current, pictures[end])
    assert sum(edit.bytes for edit in tree.line(len(parents))) <= max(budget, 32)
    tree.clear()


def test_what_is_too_long_ago_is_forgotten():
    tree = UndoTree(most_steps=3)
    for state in range(1, 6):
        tree.add(state, state - 1, [], (1, 1), (1, 1))
    assert tree.way(5, 2) is not None
    assert tree.way(5, 1) is None
    assert tree.way(5, 5) == []
