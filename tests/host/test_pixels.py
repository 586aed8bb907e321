# SPDX-License-Identifier: GPL-3.0-or-later
"""Pixels there and back: nothing lost, nothing turned over, nothing rounded to 8 bit."""
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from selfrect_blender.host.engine_source import problems
from selfrect_blender.host.pixels import from_blender, linear_from_srgb, srgb_from_linear, to_blender

any_float = st.floats(width=32, allow_nan=False)
pictures = arrays_of.arrays(
    np.float32, st.tuples(st.integers(1, 7), st.integers(1, 7), st.sampled_from([3, 4])), elements=any_float
)
unit = st.floats(0, 1, width=32)


@given(pictures)
def test_there_and_back_is_the_same_picture(picture):
    height, width, channels = picture.shape
    flat = to_blender(picture)
    assert (flat.dtype, flat.shape) == (np.float32, (height * width * 4,))
    back = from_blender(flat, width, height)
    np.testing.assert_array_equal(back[..., :channels], picture)
    assert channels == 4 or (back[..., 3] == 1).all()


def test_the_bottom_row_comes_first_in_blender():
    flat = np.arange(2 * 3 * 4, dtype=np.float32)  # 2 wide, 3 high
    picture = from_blender(flat, 2, 3)
    assert picture.shape == (3, 2, 4)
    np.testing.assert_array_equal(picture[2, 0], [0, 1, 2, 3])  # bottom left
    np.testing.assert_array_equal(picture[2, 1], [4, 5, 6, 7])
    np.testing.assert_array_equal(picture[0, 1], [20, 21, 22, 23])  # top right


def test_the_buffer_of_blender_is_not_touched():
    flat = np.zeros(16, np.float32)
    from_blender(flat, 2, 2)[:] = 1
    assert not flat.any()


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(1, [2, 2, 2, 1]), (2, [2, 2, 2, 3]), (3, [2, 3, 4, 1]), (4, [2, 3, 4, 5])],
)
def test_fewer_channels_are_filled_up(channels, expected):
    flat = np.arange(2, 2 + channels, dtype=np.float32)
    np.testing.assert_array_equal(from_blender(flat, 1, 1)[0, 0], expected)


@pytest.mark.parametrize(("size", "width", "height"), [(0, 4, 4), (0, 0, 0), (15, 2, 2), (20, 2, 2), (4, -2, 2)])
def test_a_buffer_of_another_size_is_bad_input_with_numbers(size, width, height):
    with pytest.raises(problems.Problem, match=f"{width} × {height} pixels but holds {size} values") as caught:
        from_blender(np.zeros(size, np.float32), width, height)
    assert caught.value.code == "bad_input"


def reference_srgb(light: float) -> float:
    """IEC 61966-2-1 in double precision."""
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


@given(arrays_of.arrays(np.float32, st.tuples(st.integers(1, 20), st.just(3)), elements=unit))
def test_the_curve_is_the_standard_one(light):
    expected = np.vectorize(reference_srgb)(light.astype(np.float64))
    np.testing.assert_allclose(srgb_from_linear(light), expected, atol=3e-7)


@given(arrays_of.arrays(np.float32, st.tuples(st.integers(1, 20), st.sampled_from([3, 4])), elements=unit))
def test_linear_and_back_is_the_same_to_a_millionth(values):
    np.testing.assert_allclose(linear_from_srgb(srgb_from_linear(values)), values, atol=1e-6)
    np.testing.assert_allclose(srgb_from_linear(linear_from_srgb(values)), values, atol=1e-6)


@given(arrays_of.arrays(np.float32, (9, 3), elements=st.floats(-100, 1e4, width=32)))
def test_negative_and_bright_values_pass(values):
    with np.errstate(all="raise", under="ignore"):
        there = srgb_from_linear(values)
        back = linear_from_srgb(there)
    assert there.dtype == back.dtype == np.float32
    np.testing.assert_allclose(back, values, rtol=1e-5, atol=1e-6)
    order = np.argsort(values, axis=None)
    assert (np.diff(there.ravel()[order]) >= 0).all()  # the curve rises


def test_8_bit_and_16_bit_values_survive_exactly():
    for levels in (255, 65535):
        values = np.repeat((np.arange(levels + 1) / levels).astype(np.float32)[:, None], 3, axis=1)
        back = np.rint(srgb_from_linear(linear_from_srgb(values)) * levels)
        np.testing.assert_array_equal(back[:, 0], np.arange(levels + 1))


def test_alpha_is_no_colour():
    rgba = np.full((2, 2, 4), 0.5, np.float32)
    for convert in (srgb_from_linear, linear_from_srgb):
        assert (convert(rgba)[..., 3] == 0.5).all()
        assert (convert(rgba)[..., :3] != 0.5).all()
    assert (rgba == 0.5).all()  # the argument stays


@pytest.mark.parametrize("shape", [(4, 5), (4, 4, 2), (5,), ()])
def test_an_array_without_colour_is_a_mistake(shape):
    with pytest.raises(ValueError, match="expected colour in the last axis"):
        srgb_from_linear(np.zeros(shape, np.float32))
