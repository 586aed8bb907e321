# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to every engine's picture: light above white comes back, and outside a mask not a bit changes."""

from __future__ import annotations

import numpy as np
import pytest
import selfrect
import torch
from selfrect.delivery import deliver, delivered, needs_correspondence
from selfrect.engine import Request, Result, silent
from selfrect.engines.self_rectification.settings import Settings
from selfrect.patches.correspondence import Correspondence

SIZE = 64


def texture(seed: int = 0, channels: int = 3) -> np.ndarray:
    """Even noise around a middle grey-brown, alpha 1."""
    picture = np.ones((SIZE, SIZE, channels), np.float32)
    picture[..., :3] = np.random.default_rng(seed).normal([0.5, 0.4, 0.3], 0.04, (SIZE, SIZE, 3))
    return picture


def hole() -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), np.float32)
    mask[20:44, 16:48] = 1
    return mask


def shifted(dx: int, dy: int) -> Correspondence:
    """Each place of the result comes from (x + dx, y + dy) of the reference, around its edges."""
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    zero = torch.zeros(SIZE, SIZE)
    at = [((places + by) % SIZE + 0.5) / SIZE for places, by in ((x, dx), (y, dy))]
    return Correspondence(zero.long(), *at, zero, ((SIZE, SIZE),))


def deliver_one(picture: np.ndarray, request: Request, correspondence=None, patches="instead", **settings) -> Result:
    made = Result(picture, {"patches": {"mode": patches}}, correspondence=correspondence)
    return deliver(request, made, Settings.of(settings), silent)


def test_nothing_to_do_hands_out_the_very_picture():
    picture = texture()
    assert deliver_one(picture, Request([texture()], texture(1))).image is picture


def test_a_cancel_is_heard():
    def cancel(*_):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        deliver(Request([texture()], texture()), Result(texture(), {}), Settings(), cancel)


def test_engines_see_pictures_within_0_and_1_and_are_told_that_light_has_to_follow():
    bright = texture(channels=4)
    bright[3, 4, :3] = [7.5, 0.2, -0.25]
    seen = []

    def make(request):
        seen.append(request)
        return Result(request.target[..., :3], {"patches": {"mode": "instead"}}, correspondence=shifted(0, 0))

    delivered(Request([bright], texture()), Settings(), silent, make)
    assert seen[0].references[0].max() == 1
    assert seen[0].references[0].min() == 0
    assert needs_correspondence(seen[0], Settings())
    plain = Request([texture()], texture())
    delivered(plain, Settings(), silent, make)
    assert seen[1] is plain  # no copies where there is nothing to cut
    assert not needs_correspondence(plain, Settings())


def test_what_was_not_touched_keeps_its_light():
    """The engine gives the target back, a little noisy, as patches and codecs do."""
    target = texture()
    target[10:20, 10:20] += [6.0, 3.0, 0.9]
    target[30, 30] = [0.4, -0.2, 0.5]
    noise = np.random.default_rng(5).normal(0, 0.004, target.shape).astype(np.float32)
    made = np.clip(np.clip(target, 0, 1) + noise, 0, 1)
    result = deliver_one(made, Request([texture()], target)).image
    np.testing.assert_allclose(result, target, atol=0.03)
    assert result.max() > 6


def test_light_of_the_reference_follows_its_place():
    """A lamp of the reference comes out elsewhere, as bright as it was."""
    reference, target = texture(), texture(1, 4)
    reference[8:14, 40:46] = [9.0, 5.0, 1.5]
    target[..., 3] = 0
    moved = np.roll(reference, (20, -10), (0, 1))
    result = deliver_one(np.clip(moved, 0, 1), Request([reference], target), shifted(10, -20))
    np.testing.assert_allclose(result.image[28:34, 30:36], moved[28:34, 30:36], rtol=0.02)
    assert np.median(np.abs(result.image - moved)) < 1e-3
    assert result.maps == {}
    assert "maps" not in result.record


def test_light_does_not_come_where_the_picture_is_dark():
    reference = texture()
    reference[8:12, 40:44] = 9.0
    made = texture(2)
    result = deliver_one(made, Request([reference], texture(1)), shifted(0, 0)).image
    np.testing.assert_allclose(result, made, atol=1e-6)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("colour_match", [0.0, 1.0])
def test_outside_the_mask_every_bit_stays(channels, colour_match):
    target, mask = texture(1, channels), hole()
    target[0, 0, :3], target[63, 63, :3] = [12.5, 1e-7, -3.0], np.nextafter(np.float32(0.5), np.float32(1))
    mask[20:24] *= 0.5
    request = Request([texture()], target, mask=mask)
    result = deliver_one(texture(7) + 0.1, request, patches="off", colour_match=colour_match).image
    assert result.shape == (SIZE, SIZE, 3)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result[mask == 0], target[mask == 0][:, :3])
    assert (result[mask == 1] != target[mask == 1][:, :3]).mean() > 0.99


def test_across_the_border_of_the_mask_values_go_on():
    """What was made is brighter than what is around it: the step is spread, and nothing of the fine structure is lost."""
    y, x = np.mgrid[:SIZE, :SIZE]
    waves = np.repeat((0.4 + 0.1 * np.sin(x / 5) * np.cos(y / 4))[..., None], 3, -1).astype(np.float32)
    made = waves + np.float32([0.2, 0.1, -0.1]) + 0.05 * (x / SIZE)[..., None].astype(np.float32)
    result = deliver_one(made, Request([waves], waves, mask=hole())).image
    np.testing.assert_allclose(result, waves, atol=0.01)


def test_the_border_is_no_steeper_than_the_texture():
    target, mask = texture(1), hole()
    result = deliver_one(texture(2) + 0.15, Request([texture()], target, mask=mask)).image
    across = np.abs(result[20, 16:48] - result[19, 16:48]).mean()
    usual = np.abs(np.diff(target, axis=0)).mean()
    assert across <= 1.3 * usual
    inside = np.abs(np.diff(result[22:42, 18:46], axis=0)).mean()
    assert inside == pytest.approx(usual, rel=0.1)


def test_a_texture_that_tiles_is_masked_across_its_edge():
    """The hole goes around: its left and right part are one, and are shifted alike."""
    target, mask = np.full((SIZE, SIZE, 3), 0.5, np.float32), np.zeros((SIZE, SIZE), np.float32)
    mask[:, :8] = mask[:, -8:] = 1
    target[:, :SIZE // 2] = 0.4
    result = deliver_one(np.full_like(target, 0.9), Request([target], target, mask=mask), tile_x=True).image
    steps = np.abs(np.diff(result, axis=1, append=result[:, :1]))[:, np.r_[-9:9]]
    assert steps.max() < 0.02


def test_transparent_places_outside_the_mask_stay_transparent():
    target, mask = texture(1, 4), hole()
    target[:10, :, 3] = 0.25
    target[24:40, 20:44, 3] = 0  # the hole to be filled
    result = deliver_one(texture(2), Request([texture()], target, mask=mask)).image
    assert result.shape == (SIZE, SIZE, 4)
    np.testing.assert_array_equal(result[mask == 0], target[mask == 0])
    assert (result[mask == 1][:, 3] == 1).all()


def test_a_hole_with_nothing_around_it_is_what_was_made():
    """Nothing that can be seen lies outside the mask: there is no border to join to."""
    target = texture(1, 4)
    target[..., 3] = 0
    made = texture(2)
    np.testing.assert_allclose(deliver_one(made, Request([texture()], target, mask=hole())).image[hole() == 1][:, :3], made[hole() == 1])


def test_the_networks_drift_of_colour_is_undone_that_of_patches_is_none():
    target = texture(1)
    made = np.clip(target * [1.2, 1.0, 0.8], 0, 1).astype(np.float32)
    request = Request([texture()], target)
    for patches, colour_match, expected in (("off", 1.0, target), ("off", 0.0, made), ("instead", 1.0, made), ("finish", 1.0, made)):
        result = deliver_one(made, request, patches=patches, colour_match=colour_match).image
        assert np.abs(result.mean((0, 1)) - expected.mean((0, 1))).max() < 0.01
    half = deliver_one(made, request, patches="off", colour_match=0.5).image
    np.testing.assert_allclose(half.mean((0, 1)), (target.mean((0, 1)) + made.mean((0, 1))) / 2, atol=0.01)


def test_a_drift_is_told_by_the_places_that_are_known():
    """Of a reference, half brown and half blue, the result shows the brown alone, and no target says so: it would turn half blue."""
    reference = texture()
    reference[:, SIZE // 2 :] = reference[:, SIZE // 2 :, ::-1]
    true = np.concatenate([reference[:, : SIZE // 2]] * 2, axis=1)
    y, x = torch.meshgrid((torch.arange(SIZE) + 0.5) / SIZE, (torch.arange(SIZE) % (SIZE // 2) + 0.5) / SIZE, indexing="ij")
    known = Correspondence(torch.zeros(SIZE, SIZE).long(), x, y, torch.zeros(SIZE, SIZE), ((SIZE, SIZE),))
    target = np.zeros((SIZE, SIZE, 4), np.float32)
    drifted = (true * [1.12, 0.98, 0.8]).astype(np.float32)

    def apart(maps):
        made = deliver_one(drifted, Request([reference], target, maps=maps), known, patches="off")
        return float(np.abs(made.image - true).mean())

    assert apart({}) > 0.05
    assert apart({"height": [reference[..., :1]]}) < 0.02


def test_the_request_itself_is_left_as_it_was():
    target = texture()
    target[0, 0] = 5
    request = Request([target], target, mask=hole())
    before = target.copy()
    deliver_one(np.clip(target, 0, 1), request, shifted(0, 0))
    np.testing.assert_array_equal(request.target, before)
    assert request.maps == {}


@pytest.fixture(scope="module")
def mini():
    return selfrect.load_model("mini", device="cpu", dtype="float32")


QUICK = {"patches": "off", "steps": 4, "p1": 2, "s1": 1, "p2": 1, "s2": 1}


def test_a_real_run_with_a_mask_and_light_above_white(mini):
    """Through the network: outside the mask the target with its light, inside something else."""
    target = texture(1)
    target[2:6, 2:6] = 4.0
    result = selfrect.rectify(mini, texture(), target, QUICK, mask=hole())
    np.testing.assert_array_equal(result.image[hole() == 0], target[hole() == 0])
    assert np.abs(result.image - target)[hole() == 1].mean() > 0.005
    assert result.maps == {}


def test_a_real_runs_colours_are_the_references(mini):
    """The same picture but for its colours: off is what the network made, on is nearer to the reference."""
    request = texture(), texture(1)
    off, on = (selfrect.rectify(mini, *request, QUICK | {"colour_match": strength}).image for strength in (0.0, 1.0))
    from_reference = [np.abs(picture.mean((0, 1)) - request[0].mean((0, 1))).max() for picture in (off, on)]
    assert from_reference[1] < max(0.01, from_reference[0] / 2)
