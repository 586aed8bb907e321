# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad pictures are refused before any work, with what came and what was expected."""

from __future__ import annotations

import numpy as np
import pytest
from selfrect.engine import Request
from selfrect.engines.self_rectification.inputs import check
from selfrect.problems import Problem


def good(height=64, width=64, channels=3):
    return np.full((height, width, channels), 0.5, np.float32)


def with_value(value):
    image = good()
    image[1, 2, 0] = value
    return image


CASES = {
    "nothing": (None, "There is no"),
    "empty": (np.zeros((0, 0, 3), np.float32), "0 × 0"),
    "one pixel": (good(1, 1), "1 × 1"),
    "a line": (good(1, 4096), "4096 × 1"),
    "huge": (np.broadcast_to(np.float32(0.5), (16384, 16384, 3)), "16384 × 16384"),
    "NaN": (with_value(np.nan), "1 values that are not numbers"),
    "infinite": (with_value(np.inf), "not numbers"),
    "above 1": (with_value(7.5), "7.5"),
    "negative": (with_value(-0.25), "-0.25"),
    "bytes": (np.zeros((64, 64, 3), np.uint8), "uint8"),
    "double": (np.zeros((64, 64, 3)), "float64"),
    "grey": (np.zeros((64, 64), np.float32), r"\(64, 64\)"),
    "two channels": (good(channels=2), r"\(64, 64, 2\)"),
    "not an array": ("reference.png", "str"),
}


@pytest.mark.parametrize("what", ["reference", "target"])
@pytest.mark.parametrize(("image", "words"), CASES.values(), ids=CASES)
def test_bad_pictures(image, words, what):
    references, target = ([image], good()) if what == "reference" else ([good()], image)
    with pytest.raises(Problem, match=words) as caught:
        check(Request(references, target))
    assert caught.value.code == "bad_input"
    assert what in str(caught.value)
    assert caught.value.remedy


def test_no_reference_at_all():
    with pytest.raises(Problem, match="no reference"):
        check(Request([], good()))


def test_a_reference_that_is_transparent_everywhere():
    with pytest.raises(Problem, match="transparent"):
        check(Request([np.zeros((64, 64, 4), np.float32)], good()))


@pytest.mark.parametrize("shape", [(32, 32, 3), (2048, 2048, 4), (33, 500, 3)])
def test_good_pictures(shape):
    check(Request([good()], np.ones(shape, np.float32)))
