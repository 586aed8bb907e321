# SPDX-License-Identifier: GPL-3.0-or-later
"""Patches of several references, with weights and regions, and of references mirrored, scaled and turned."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from selfrect.engines.self_rectification.finish import options
from selfrect.engines.self_rectification.settings import Settings
from selfrect.patches.correspondence import Correspondence, carry
from selfrect.patches.leaning import Leaning
from selfrect.patches.sources import Pose, make_sources
from selfrect.patches.synthesis import Options, synthesize
from selfrect.patches.turns import find_poses

UPRIGHT = Options(turns=(0.0,), rounds=(3, 2))


def drawing(seed, height=64, width=70):
    """(3, h, w): smooth blobs of colour under blocky shadows."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=generator)
    picture = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)[0]
    lines = torch.nn.functional.interpolate(torch.rand(1, 1, height // 6, width // 6, generator=generator), (height, width))[0]
    return (picture * (0.4 + 0.6 * (lines > 0.3))).contiguous()


ONE, OTHER = drawing(0), drawing(5)
EMPTY = torch.zeros(3, 60, 66), torch.zeros(60, 66)


def share_of_the_second(**more):
    return synthesize(*EMPTY, [ONE, OTHER], UPRIGHT, **more).correspondence.reference.float().mean().item()


def test_a_weight_is_how_much_of_a_reference_is_used():
    shares = [share_of_the_second(weights=[1.0, weight]) for weight in (0.05, 1.0, 20.0)]
    assert shares == sorted(shares)
    assert shares[0] < 0.2
    assert shares[2] > 0.8


def test_weights_all_alike_are_none():
    made = [synthesize(*EMPTY, [ONE, OTHER], UPRIGHT, weights=w, regions=r).picture for w, r in ((None, None), ([3.0, 3.0], [None, None]))]
    assert torch.equal(*made)


def test_a_region_says_where_a_reference_counts():
    left = torch.zeros(60, 66)
    left[:, :33] = 1
    field = synthesize(*EMPTY, [ONE, OTHER], UPRIGHT, regions=[left, 1 - left]).correspondence
    assert (field.reference[:, :33] == 0).float().mean() > 0.99
    assert (field.reference[:, 33:] == 1).float().mean() > 0.99


def test_where_no_region_is_all_count():
    nowhere = torch.zeros(60, 66)
    assert share_of_the_second(regions=[nowhere, nowhere]) == share_of_the_second()


def test_a_reference_without_a_region_counts_everywhere():
    corner = torch.zeros(60, 66)
    corner[:30, :33] = 1
    field = synthesize(*EMPTY, [ONE, OTHER], UPRIGHT, regions=[None, corner], weights=[1.0, 100.0]).correspondence
    assert (field.reference[:22, :25] == 1).float().mean() > 0.9
    assert (field.reference[30:] == 0).all()


def test_how_often_places_are_expected_to_be_used():
    regions = [torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]])]
    leaning = Leaning.of(2, [3.0, 1.0], regions, torch.zeros(3, 1, 2))
    assert np.allclose(leaning.expected([100, 100]), [0.75, 1.25])
    assert Leaning.of(2, [2, 2], None, torch.zeros(3, 1, 2)) is None


@pytest.mark.parametrize("pose", [Pose(0.0, True), Pose(0.6, True, 1.5), Pose(math.pi / 2, False, 2.0), Pose(0.0, False, 0.5)])
def test_a_source_knows_where_its_pixels_are_in_the_reference(pose):
    """A ramp along x and one along y, looked at in a pose, say the place themselves."""
    y, x = torch.meshgrid(torch.arange(60.0), torch.arange(70.0), indexing="ij")
    ramps = torch.stack([x, y, torch.zeros(60, 70)])
    sources = make_sources([ramps], [pose])
    inner = sources.valid[0].clone()
    inner[:2] = inner[-2:] = inner[:, :2] = inner[:, -2:] = False
    at_y, at_x = inner.nonzero().T
    found = torch.stack([at_x, at_y, torch.ones_like(at_x)], 1).double() @ sources.to_reference[0].T
    good = ((found > 2) & (found < torch.tensor([67.0, 57.0]))).all(1)  # scaling rounds off the outermost pixels
    shown = sources.pictures[0, :2, at_y, at_x].T.double()
    assert good.sum() > 300
    assert (found - shown)[good].abs().max() < 0.02


@pytest.mark.parametrize("pose", [Pose(0.0, True), Pose(0.6, True), Pose(0.0, False, 1.5)])
def test_maps_follow_mirrored_and_scaled_sources(pose):
    """At four times the size a ramp across the map stays a straight ramp, of the pose's own slope; the base colour comes back."""
    sources = make_sources([ONE], [pose])
    middle, side = sources.shape[1] // 2, sources.shape[2]
    y, x = torch.meshgrid(torch.arange(middle - 10, middle + 10), torch.arange(middle - 10, middle + 10), indexing="ij")
    field = Correspondence.of(y * side + x, sources, [ONE])
    ramp = ((torch.arange(280) + 0.5) / 280)[None, None, :].expand(1, 256, 280)
    slope = math.cos(pose.angle) * (-1 if pose.mirrored else 1) / (70 * 4 * pose.scale)
    steps = carry([ramp], field, (80, 80))[0].diff(dim=1)
    assert torch.allclose(steps, torch.full_like(steps, slope), atol=3e-5)
    assert torch.allclose(carry([ONE], field), sources.pictures[0][:, y, x], atol=0.08 if pose.scale != 1 else 2e-3)


def test_normals_are_mirrored():
    sources = make_sources([ONE], [Pose(0.0, True)])
    field = Correspondence.of(torch.arange(200, 220)[None], sources, [ONE])
    normals = torch.tensor([1.0, 0.5, 0.5])[:, None, None].expand(3, 64, 70).contiguous()
    assert torch.allclose(carry([normals], field, normals=True)[:, 0, 0], torch.tensor([0.0, 0.5, 0.5]), atol=1e-3)


@pytest.mark.parametrize("pose", [Pose(0.0, True, 1.0), Pose(0.0, False, 2.0)])
def test_the_pose_of_what_was_placed_is_found(pose):
    shown = make_sources([ONE], [pose])
    middle = shown.shape[1] // 2
    target = shown.pictures[0, :, middle - 18 : middle + 18, middle - 18 : middle + 18]
    generator = torch.Generator().manual_seed(0)
    asked = target, torch.ones(36, 36, dtype=torch.bool), [ONE], [torch.ones(64, 70, dtype=torch.bool)], generator
    poses, unlike = find_poses(*asked, flips=True, scales=(2.0,))
    assert (poses[0].mirrored, poses[0].scale) == (pose.mirrored, pose.scale)
    assert unlike < 0.5 * find_poses(*asked)[1]


def test_what_is_asked_for_takes_part():
    made = synthesize(*EMPTY, [ONE], Options(rounds=(1, 1), angles=(0.5,), flips=True, scales=(2.0,)))
    assert {tuple(p) for p in made.poses} == {(0.0, False, 1.0), (0.5, False, 1.0), (0.0, True, 1.0), (0.5, True, 1.0), (0.0, False, 2.0)}
    assert made.turns == [0.0, 0.5]
    assert synthesize(*EMPTY, [ONE], Options(rounds=(1, 1))).poses == [Pose()]


def test_settings_become_poses():
    usual = options(Settings())
    assert options(Settings(angles=(90.0,), flips=True, scales=(0.5,))) == replace(usual, angles=(math.pi / 2,), flips=True, scales=(0.5,))
    assert options(Settings(augment=7)) == replace(usual, flips=True)
    assert options(Settings(turns="auto")) == replace(usual, wary=True)
