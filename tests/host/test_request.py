# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be rectified is refused with numbers; what can be travels as it is."""
from __future__ import annotations

import numpy as np
import pytest

from selfrect_blender.host.engine_source import problems
from selfrect_blender.host.request import RectifyRequest

GOOD = np.full((40, 50, 4), 0.5, np.float32)
GOOD[..., 3] = 1


def with_value(value: float) -> np.ndarray:
    picture = GOOD.copy()
    picture[3, 4, 1] = value
    return picture


BAD = [
    (None, "There is no {what}"),
    (np.zeros((0, 0, 4), np.float32), "0 × 0 pixels"),
    (np.zeros((1, 1, 4), np.float32), "1 × 1 pixels; at least 32 × 32"),
    (np.zeros((1, 4096, 4), np.float32), "4096 × 1 pixels; at least"),
    (np.zeros((4096, 1, 3), np.float32), "1 × 4096 pixels; at least"),
    (np.broadcast_to(np.float32(0.5), (16384, 16384, 4)), "16384 × 16384 pixels; at most"),
    (np.broadcast_to(np.float32(0.5), (8193, 8192, 3)), "8192 × 8193 pixels; at most"),
    (with_value(np.nan), "1 values that are not numbers"),
    (with_value(np.inf), "1 values that are not numbers"),
    (GOOD.astype(np.float64), "float64"),
    ((GOOD * 255).astype(np.uint8), "uint8"),
    (GOOD[..., 0], "(40, 50)"),
    (GOOD[..., :2], "(40, 50, 2)"),
    ([[0.5]], "list"),
]


@pytest.mark.parametrize(("picture", "words"), BAD, ids=[words for _, words in BAD])
@pytest.mark.parametrize("what", ["reference", "target"])
def test_a_bad_picture_is_refused_with_numbers(picture, words, what):
    request = RectifyRequest([picture], GOOD) if what == "reference" else RectifyRequest([GOOD], picture)
    problem = refusal(request)
    assert words.format(what=what) in problem.sentence
    assert what in problem.sentence


def test_a_reference_may_have_fewer_pixels_than_a_target():
    """The target is worked on in windows; every place of a reference is looked at at once."""
    large = np.broadcast_to(np.float32(0.5), (4097, 4096, 3))
    assert "at most 16,777,216 in all (4096 × 4096)" in refusal(RectifyRequest([large], GOOD)).sentence


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"references": []}, "No reference was given"),
        ({"references": [np.zeros_like(GOOD)]}, "transparent everywhere"),
        ({"references": [GOOD] * 17}, "17 references were given, at most 16"),
        ({"references": [GOOD, with_value(np.nan)]}, "not numbers"),
        ({"seed": -1}, "The seed is -1"),
        ({"seed": 2**63}, "The seed is 9223372036854775808"),
        ({"seed": 1.5}, "The seed is 1.5"),
        ({"mask": GOOD[..., 0] * 0}, "0 everywhere"),
        ({"weights": [1.0, 2.0]}, "there are 1 references"),
        ({"regions": [None, None]}, "2 regions and 1 references"),
        ({"maps": {"roughness": [GOOD[..., 0]]}}, "map “roughness” is ndarray of shape (40, 50)"),
        ({"settings": {"steps": object()}}, "object is not JSON serializable"),
        ({"settings": {"eta": float("nan")}}, "not JSON compliant"),
    ],
)
def test_other_bad_values_are_refused(changes, words):
    assert words in refusal(RectifyRequest(**({"references": [GOOD], "target": GOOD} | changes))).sentence


def refusal(request: RectifyRequest):
    with pytest.raises(problems.Problem) as caught:
        request.check()
    assert caught.value.code == "bad_input"
    assert caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        (GOOD, np.zeros((32, 2000, 4), np.float32)),  # alpha 0 everywhere: all of it is background
        (GOOD[..., :3], GOOD[:33, ::-1]),
        (np.full((2048, 2048, 3), 0.5, np.float32), GOOD),
        (with_value(1.7), with_value(-0.3)),  # highlights of a floating-point image
    ],
)
def test_different_sizes_and_channels_are_fine(reference, target):
    RectifyRequest([reference, GOOD], target).check()


def test_the_message_carries_all_of_it():
    request = RectifyRequest(
        [GOOD, with_value(1.7)], with_value(-0.3), model="sd-1.4", device="cpu", dtype="float32", seed=9, settings={"steps": 4}
    )
    message = request.message(12)
    assert (message.method, message.id) == ("synthesize", 12)
    assert message.params == {
        "engine": "self-rectification", "model": "sd-1.4", "device": "cpu", "dtype": "float32", "seed": 9,
        "settings": {"steps": 4}, "preview": True, "weights": None,
    }  # fmt: skip
    assert list(message.arrays) == ["reference.0", "reference.1", "target"]
    np.testing.assert_array_equal(message.arrays["reference.0"], GOOD)
    assert message.arrays["reference.1"].max() == np.float32(1.7)  # light above white is not cut
    assert message.arrays["target"].min() == np.float32(-0.3)


def test_the_message_carries_mask_regions_and_maps():
    mask = np.ones(GOOD.shape[:2], np.float32)
    maps = {"normal": [GOOD[..., :3], GOOD[:20]], "roughness": [GOOD[..., :1], GOOD[..., :1]]}
    request = RectifyRequest([GOOD, GOOD], GOOD, mask=mask, weights=[1, 2.5], regions=[None, mask / 2], maps=maps)
    request.check()
    message = request.message(1)
    assert message.params["weights"] == [1, 2.5]
    assert set(message.arrays) == {
        "reference.0", "reference.1", "target", "mask", "region.1",
        "map.normal.0", "map.normal.1", "map.roughness.0", "map.roughness.1",
    }  # fmt: skip
    assert message.arrays["map.normal.1"].shape == (20, 50, 4)
