# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies of references: turned by any angle, mirrored, scaled; which of them a target asks for."""

from __future__ import annotations

import math

import numpy as np
import pytest
import selfrect
import tiny_models
import torch
from selfrect.engine import Request
from selfrect.engines.self_rectification.directions import directions
from selfrect.engines.self_rectification.inputs import prepare_references
from selfrect.engines.self_rectification.kv_injection import KeyValues
from selfrect.engines.self_rectification.poses import find_poses
from selfrect.engines.self_rectification.settings import Settings
from selfrect.engines.self_rectification.turned import copy_of, posed, poses_of, to_reference
from selfrect.patches.sources import Pose
from selfrect.problems import Problem

QUICK = {"steps": 4, "p1": 1, "s1": 1, "p2": 1, "s2": 1, "colour_match": 0.0, "patches": "off"}
POSES = [Pose(math.radians(angle), flip, scale) for angle in (0, 33, 90, 200) for flip in (False, True) for scale in (1.0, 0.5, 1.5)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return selfrect.load_model(tiny_models.make_pipeline(tmp_path_factory.mktemp("sd1"), "sd1"), device="cpu", dtype="float32")


def coordinates(height=64, width=96):
    """A picture that says of each pixel where it is: x, y in [0, 1]."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([x / (width - 1), y / (height - 1), x * 0], -1)


def grain(height, width, seed=0, along=(1.0, 5.0)):
    """A texture with a direction: noise that is smoother along x."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    fy, fx = np.fft.fftfreq(height)[:, None, None], np.fft.fftfreq(width)[None, :, None]
    low = np.exp(-2 * np.pi**2 * ((fy * along[0]) ** 2 + (fx * along[1]) ** 2))
    smooth = np.fft.ifft2(np.fft.fft2(noise, axes=(0, 1)) * low, axes=(0, 1)).real
    return (0.5 + 0.15 * smooth / smooth.std()).clip(0, 1).astype(np.float32)


@pytest.mark.parametrize("pose", POSES)
def test_each_pixel_of_a_copy_is_where_it_is_said_to_be(pose):
    image = coordinates()
    picture, whole = posed(image, pose)
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    at = np.stack([x, y, np.ones_like(x)], -1) @ to_reference(image.shape[:2], pose).numpy().T
    told = at / (np.array(image.shape[1::-1]) - 1)
    inside = np.ones(picture.shape[:2], bool) if whole is None else whole
    inside &= ((told > 0.03) & (told < 0.97)).all(-1)  # at the very edge scaling knows no neighbours
    assert inside.mean() > 0.5
    np.testing.assert_allclose(picture[inside][:, :2], told[inside], atol=0.01)


def test_quarter_turns_change_no_value():
    image = coordinates()
    quarters = [posed(image, pose) for pose in poses_of(Settings(augment=7))]
    assert all(whole is None for _, whole in quarters)
    for k, (picture, _) in enumerate(quarters):
        np.testing.assert_array_equal(picture, np.rot90(image if k < 4 else image[:, ::-1], k % 4))


def test_corners_are_filled_with_the_texture_itself():
    """No black, and nothing brighter or darker than what there is; half a turn more than 45° swaps the sides."""
    image = grain(64, 96) * 0.5 + 0.25
    for angle, size in ((30, (64, 96)), (70, (96, 64))):
        picture, whole = posed(image, Pose(math.radians(angle)))
        corners = picture[~whole]
        assert picture.shape[:2] == size
        assert 0.05 < (~whole).mean() < 0.45
        np.testing.assert_allclose(corners.mean(0), image.reshape(-1, 3).mean(0), atol=0.03)
        assert corners.std() > 0.6 * image.std()


def test_nothing_attends_to_the_corners():
    _, copy = copy_of(grain(128, 128), 0, Pose(math.radians(45)), 8)
    assert copy.shown.shape == (16, 16)
    assert 0.6 < float(copy.shown.float().mean()) < 0.83
    assert bool(copy.shown[8, 8])
    assert not bool(copy.shown[0, 0])
    numbers = {f"level{n}": torch.arange(tokens).view(1, -1, 1).float() for n, tokens in ((0, 256), (1, 64))}
    only = KeyValues(numbers).only(copy.shown)
    kept = [only.layers[name].flatten().long() for name in numbers]
    assert torch.equal(kept[0], copy.shown.flatten().nonzero()[:, 0])
    coarse = [bool(copy.shown[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].all()) for y in range(8) for x in range(8)]
    assert kept[1].tolist() == [n for n, whole in enumerate(coarse) if whole]


def test_copies_by_hand():
    assert poses_of(Settings()) == [Pose()]
    asked = poses_of(Settings(angles=(30.0, 360.0), flips=True, scales=(0.5,)))
    assert len(asked) == 8  # a whole turn is none
    assert asked[0] == Pose()
    assert Pose(math.radians(30), True, 0.5) in asked
    assert len(poses_of(Settings(augment=1, angles=(270.0,)))) == 2
    with pytest.raises(Problem, match="40 copies"):
        Settings.of({"angles": [float(a) for a in range(1, 20)], "flips": True})
    with pytest.raises(Problem, match="scales is"):
        Settings.of({"scales": [0.1]})


def test_references_and_their_copies_in_order():
    pictures = [0.25 + 0.5 * grain(*size) for size in ((64, 64), (40, 48))]
    made = prepare_references(Request(pictures, pictures[0]), Settings(angles=(90.0, 20.0)), 8)
    assert [tuple(x.shape[2:]) for x, _ in made] == [(64, 64)] * 3 + [(40, 48), (48, 40), (40, 48)]
    assert [copy.reference for _, copy in made] == [0, 0, 0, 1, 1, 1]
    assert [copy.shown is not None for _, copy in made] == [False, False, True] * 2
    assert float(made[2][0].min()) > -0.6  # no black corners


def rough(reference, pose, drawn=None):
    """A target: a disc of the reference in that pose on nothing."""
    picture, whole = posed(reference, pose)
    picture = drawn if drawn is not None else picture
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    disc = np.hypot(y - picture.shape[0] / 2, x - picture.shape[1] / 2) < 0.4 * min(picture.shape[:2])
    alpha = disc if whole is None else disc & whole
    return np.dstack([picture, alpha.astype(np.float32)])


@pytest.mark.parametrize("pose", [Pose(math.radians(60)), Pose(0.0, True), Pose(math.radians(150), True), Pose(0.0, False, 2.0)])
def test_the_pose_of_the_pieces_is_found(pose):
    reference = grain(64, 64, seed=3) * np.linspace(0.6, 1, 64, dtype=np.float32)[None, :, None]
    found = find_poses(Request([reference], rough(reference, pose)), 0)
    assert found
    best = found[0]
    assert best[1:] == pose[1:]
    assert abs((math.degrees(best.angle - pose.angle) + 180) % 360 - 180) <= 5


def test_upright_pieces_ask_for_no_copies():
    reference = grain(64, 64, seed=3)
    assert find_poses(Request([reference], rough(reference, Pose())), 0) == []
    assert find_poses(Request([reference], np.zeros((64, 64, 4), np.float32)), 0) == []


@pytest.mark.parametrize("angle", [0, 30, 90, 135])
def test_directions_of_stripes(angle):
    y, x = np.mgrid[:96, :96] - 48
    across = -np.sin(math.radians(angle)) * x + np.cos(math.radians(angle)) * y  # y down: clockwise as seen
    stripes = torch.from_numpy(np.sin(across / 2).astype(np.float32) * 0.4 + 0.5).expand(3, -1, -1)
    (found,) = directions(stripes, torch.ones(96, 96))
    assert abs((math.degrees(found) - angle + 90) % 180 - 90) <= 5


def test_grain_without_a_direction_has_none():
    assert directions(torch.from_numpy(grain(96, 96, along=(2, 2))).movedim(2, 0), torch.ones(96, 96)) == []


def test_what_was_drawn_is_followed_by_its_directions():
    """Strokes that are in no reference run at 60°, the reference's grain at 0°: a copy is turned by 60°."""
    y, x = np.mgrid[:64, :64] - 32
    across = -np.sin(math.radians(60)) * x + np.cos(math.radians(60)) * y
    strokes = np.repeat((np.sin(across / 1.5) > 0)[..., None], 3, 2).astype(np.float32) * np.array([1, 0.1, 0], np.float32)
    (found,) = find_poses(Request([grain(64, 64)], rough(grain(64, 64), Pose(), strokes)), 0)
    assert abs(math.degrees(found.angle) % 180 - 60) <= 8
    assert found[1:] == (False, 1.0)


@pytest.mark.parametrize("settings", [{"angles": [30.0]}, {"flips": True}, {"scales": [0.5]}, {"turns": "auto"}], ids=str)
def test_copies_take_part_in_a_run(model, settings):
    reference = grain(64, 64, seed=3)
    target = rough(reference, Pose(math.radians(60)))
    plain, more = (selfrect.rectify(model, reference, target, {**QUICK, **more}) for more in ({}, settings))
    assert (plain.record["references"], more.record["references"]) == (1, 2)
    assert np.abs(plain.image - more.image).max() > 1e-3
    assert plain.record["copies"] == [[0.0, False, 1.0]] == more.record["copies"][:1]
    assert len(more.record["copies"]) == 2


def test_looking_for_copies_can_be_cancelled(model):
    """The first pieces are not looked for to their end once somebody says stop."""
    heard = []

    def report(stage, *_, **__):
        heard.append(stage)
        if len(heard) == 5:
            raise Problem("cancelled", "Stop.", "")

    with pytest.raises(Problem, match="Stop"):
        selfrect.rectify(model, grain(64, 64, seed=5), rough(grain(64, 64, seed=5), Pose(1.0)), {**QUICK, "turns": "auto"}, report)
    assert set(heard) == {"encode"}


def test_a_plan_counts_the_copies(model):
    from selfrect.engines.self_rectification.dry_plan import plan_for, plan_of
    from selfrect.models.facts import facts_of

    reference = grain(64, 64, seed=3)
    settings = {**QUICK, "angles": [30.0], "flips": True}
    sizes = {"references": [[64, 64]], "target": [64, 64]}
    told = plan_for(facts_of(model), None, sizes, settings)["calls"]
    made = selfrect.rectify(model, reference, rough(reference, Pose()), settings)
    assert made.record["references"] == 4
    assert told == made.record["network_calls"]
    auto = Request([grain(64, 64, seed=4)], rough(grain(64, 64, seed=4), Pose(math.radians(60))), 0, {**QUICK, "turns": "auto"})
    assert plan_of(facts_of(model), model, auto)["calls_first"] > plan_for(facts_of(model), None, sizes, QUICK)["calls"]
    assert "on top" in plan_for(facts_of(model), None, sizes, {**QUICK, "turns": "auto"})["notes"][0]
