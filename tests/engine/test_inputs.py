# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad pictures are refused before any work, with what came and what was expected."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
import selfrect
from selfrect import inputs
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
    "values of 8 bits": (good() * 510, "whole numbers up to 255"),
    "values of 16 bits": (good() * 131070, "whole numbers up to 65535"),
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


@pytest.mark.parametrize("value", [7.5, -0.25, 106.3])  # the last is the brightest half float, behind the curve of sRGB
def test_light_above_white_and_colours_outside_srgb_come_in(value):
    check(Request([with_value(value)], with_value(value)))


MASK, HALF = np.ones((64, 64), np.float32), np.zeros((64, 64), np.float32)
HALF[:, :32] = 1
TWO = [good(), good(40, 50)]
BESIDE = {
    "mask of another size": ({"mask": MASK[:63]}, "mask has 64 × 63 pixels, the target 64 × 64"),
    "mask with channels": ({"mask": good()}, r"mask is ndarray of shape \(64, 64, 3\)"),
    "mask of bytes": ({"mask": MASK.astype(np.uint8)}, "type uint8"),
    "mask above 1": ({"mask": MASK * 255}, "from 255 to 255; expected 0 to 1"),
    "mask with NaN": ({"mask": MASK * np.nan}, "4096 values that are not numbers"),
    "empty mask": ({"mask": MASK * 0}, "0 everywhere"),
    "a weight too few": ({"weights": [1.0]}, "there are 2 references"),
    "weight 0": ({"weights": [1.0, 0]}, "weight is 0"),
    "weight of text": ({"weights": [1.0, "2"]}, "weight is '2'"),
    "weight NaN": ({"weights": [1.0, float("nan")]}, "weight is nan"),
    "weights of no list": ({"weights": 3}, "weights are 3"),
    "a region too few": ({"regions": [MASK]}, "1 regions and 2 references"),
    "region of another size": ({"regions": [None, MASK[:, 1:]]}, "region of reference 2 has 63 × 64"),
    "regions that leave a part": ({"regions": [HALF, HALF]}, "2,048 pixels of the target lie in no"),
    "map of one reference": ({"maps": {"ao": [good()]}}, "map “ao” is there 1 times for 2"),
    "map with a strange name": ({"maps": {"../ao": TWO}}, "map is called '../ao'"),
    "map of 64 bits": ({"maps": {"ao": [good(), np.ones((4, 4, 1))]}}, "float64"),
    "map with two channels": ({"maps": {"ao": [good(), good(channels=2)]}}, r"\(64, 64, 2\)"),
    "map with infinity": ({"maps": {"ao": [good(), with_value(np.inf)]}}, "map “ao” has 1 values"),
    "a grey normal": ({"maps": {"normal": [good(), good(channels=1)]}}, "one channel"),
    "a huge map": ({"maps": {"ao": [good(), np.broadcast_to(np.float32(0), (8193, 8192, 1))]}}, "8192 × 8193"),
}


@pytest.mark.parametrize(("more", "words"), BESIDE.values(), ids=BESIDE)
def test_bad_masks_weights_regions_and_maps(more, words):
    with pytest.raises(Problem, match=words) as caught:
        check(Request(TWO, good(), **more))
    assert caught.value.code == "bad_input"
    assert caught.value.remedy


def test_good_masks_weights_regions_and_maps():
    maps = {"normal": TWO, "roughness": [good(256, 128, 1) * 9 - 2, good(2, 1, 1)], "emission 2": [good(channels=4), good()]}
    check(Request(TWO, good(), mask=HALF, weights=[0.25, 3], regions=[HALF, 1 - HALF / 2], maps=maps))
    check(Request(TWO, good(), regions=[HALF, None]))


def test_what_a_remedy_names_is_there():
    named = set(re.findall(r"selfrect\.(\w+) does", inspect.getsource(inputs)))
    assert named == {"read_image", "read_data"}
    assert all(callable(getattr(selfrect, name)) for name in (*named, *selfrect.__all__) if name != "__version__")
