# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthesis by patches, on small drawn pictures: exact where it can be, the reference's everywhere, turned where the target was."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from selfrect.patches.correspondence import Correspondence, carry
from selfrect.patches.given import Given
from selfrect.patches.nearest import Search, allowed_middles, descriptors, patch_basis
from selfrect.patches.sources import Pose, make_sources
from selfrect.patches.synthesis import Options, _Run, synthesize
from selfrect.patches.vote import vote

UPRIGHT = Options(turns=(0.0,), rounds=(3, 2))


def drawing(height=72, width=80, seed=0):
    """(3, h, w): smooth blobs of colour with sharp dark lines, no two places alike."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=generator)
    picture = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)[0]
    lines = torch.nn.functional.interpolate(torch.rand(1, 1, height // 6, width // 6, generator=generator), (height, width))[0]
    return (picture * (0.4 + 0.6 * (lines > 0.3))).contiguous()


REFERENCE = drawing()


def pasted(reference=REFERENCE, height=64, width=70):
    """A target with one piece of the reference, 40 × 36, at (12, 14), which was at (20, 24)."""
    target, placed = torch.zeros(3, height, width), torch.zeros(height, width)
    target[:, 12:52, 14:50], placed[12:52, 14:50] = reference[:, 20:60, 24:60], 1.0
    return target, placed


@pytest.fixture(scope="module")
def made():
    return synthesize(*pasted(), [REFERENCE], UPRIGHT)


def test_what_was_cut_from_the_reference_comes_back_exactly(made):
    target, _ = pasted()
    assert made.picture.shape == target.shape
    assert (made.picture - target)[:, 20:44, 22:42].abs().max() < 2e-3  # where borders are spread its brightness gives a little
    apart = synthesize(*pasted(), [REFERENCE], replace(UPRIGHT, joined=0.0)).picture
    assert (apart - target)[:, 20:44, 22:42].abs().max() < 1e-4


def test_the_correspondence_says_where_the_piece_was_cut(made):
    field = made.correspondence
    rows, columns = REFERENCE.shape[1:]
    y, x = torch.meshgrid(torch.arange(20, 44), torch.arange(22, 42), indexing="ij")
    inner = (slice(20, 44), slice(22, 42))
    assert ((field.y[inner] * rows - 0.5 - (y + 8)).abs() < 0.01).float().mean() > 0.98
    assert ((field.x[inner] * columns - 0.5 - (x + 10)).abs() < 0.01).float().mean() > 0.98
    assert not field.angle.any()
    assert not field.reference.any()


def nearest_patches(picture, reference, size=5):
    """Root mean square of each patch's difference from the reference's nearest."""
    ours, theirs = (torch.nn.functional.unfold(p[None], size)[0].T for p in (picture, reference))
    return torch.cdist(ours, theirs).amin(1) / math.sqrt(ours.shape[1])


def test_every_patch_is_the_references(made):
    distance = nearest_patches(made.picture, REFERENCE)
    shuffled = REFERENCE.flatten(1)[:, torch.randperm(72 * 80, generator=torch.Generator().manual_seed(1))].view_as(REFERENCE)
    assert distance.median() < 0.02
    assert distance.quantile(0.9) < 0.5 * nearest_patches(shuffled, REFERENCE).median()


def test_the_seed_decides(made):
    again = synthesize(*pasted(), [REFERENCE], UPRIGHT)
    assert torch.equal(again.picture, made.picture)
    other = synthesize(*pasted(), [REFERENCE], replace(UPRIGHT, seed=1))
    assert not torch.equal(other.picture, made.picture)


def test_told_often_and_stopped_by_what_the_listener_raises():
    heard = []

    def told(step, steps, picture):
        heard.append((step, steps, picture))
        if len(heard) == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesize(*pasted(), [REFERENCE], UPRIGHT, told=told)
    assert len(heard) == 30
    assert all(0 <= step <= steps for step, steps, _ in heard)


def test_progress_ends_at_its_end_and_shows_pictures():
    heard = []
    synthesize(*pasted(), [REFERENCE], UPRIGHT, told=lambda *t: heard.append(t))
    assert [step for step, *_ in heard] == sorted(step for step, *_ in heard)
    assert heard[-1][0] == heard[-1][1]
    assert any(picture is not None for *_, picture in heard)


def test_edges_meet_where_they_go_around():
    def seam(picture):
        step = (picture[:, :, 1:] - picture[:, :, :-1]).abs().mean()
        return float((picture[:, :, 0] - picture[:, :, -1]).abs().mean() / step)

    target, placed = pasted()
    plain, around = (synthesize(target, placed, [REFERENCE], UPRIGHT, wrap=(w, w)).picture for w in (False, True))
    assert seam(around) < 1.5
    assert seam(around) < 0.7 * seam(plain)


@pytest.mark.parametrize("degrees", [0, 90, 35])
def test_the_turn_of_what_was_placed_is_found(degrees):
    reference = drawing(96, 96, seed=3)
    turned = make_sources([reference], [math.radians(degrees)])
    middle = turned.shape[1] // 2
    target, placed = torch.zeros(3, 64, 64), torch.zeros(64, 64)
    target[:, 12:52, 12:52], placed[12:52, 12:52] = turned.pictures[0, :, middle - 20 : middle + 20, middle - 20 : middle + 20], 1.0
    made = synthesize(target, placed, [reference], Options(rounds=(1, 1)))
    assert round(math.degrees(made.turns[0])) % 360 == degrees
    assert made.unlike < 0.02


def test_what_was_drawn_is_known_as_such():
    flat = torch.tensor([0.2, 0.9, 0.3])[:, None, None].expand(3, 64, 64).contiguous()
    assert synthesize(flat, torch.ones(64, 64), [REFERENCE], Options(rounds=(1, 1))).unlike > 0.1


def test_nothing_placed_is_the_reference_freely():
    made = synthesize(torch.zeros(3, 61, 83), torch.zeros(61, 83), [REFERENCE], replace(UPRIGHT, joined=0.0))
    assert nearest_patches(made.picture, REFERENCE).median() < 0.03
    assert (made.picture.mean((1, 2)) - REFERENCE.mean((1, 2))).abs().max() < 0.1


def test_transparent_pixels_of_a_reference_are_not_used():
    reference, opaque = REFERENCE.clone(), torch.ones(72, 80, dtype=torch.bool)
    reference[:, :, 50:], opaque[:, 50:] = torch.tensor([1.0, 0.0, 1.0])[:, None, None], False
    made = synthesize(torch.zeros(3, 64, 64), torch.zeros(64, 64), [reference], UPRIGHT, opaque=[opaque])
    assert made.correspondence.x.max() <= 50 / 80
    magenta = ((made.picture - torch.tensor([1.0, 0.0, 1.0])[:, None, None]).abs().amax(0) < 0.05).float().mean()
    assert magenta == 0


def test_several_references_of_different_sizes():
    others = [REFERENCE, drawing(56, 64, seed=5).mul(0.3)]
    target, placed = pasted()
    target[:, 12:52, 14:50] = others[1][:, 8:48, 10:46]
    made = synthesize(target, placed, others, replace(UPRIGHT, joined=0.0))
    assert (made.correspondence.reference[20:44, 22:42] == 1).float().mean() > 0.95
    assert (made.picture - target)[:, 20:44, 22:42].abs().max() < 1e-3


def test_exhaustive_search_is_the_yardstick_of_the_quick_one():
    sources = make_sources([REFERENCE])
    allowed = allowed_middles(sources.valid, 7)
    basis = patch_basis(sources.pictures, allowed, 7, 24)
    generator = torch.Generator().manual_seed(0)
    ours = descriptors(drawing(40, 40, seed=9)[None], basis)[0]
    search = Search(ours, descriptors(sources.pictures, basis), allowed, generator)
    everyone = torch.arange(1600)
    best = search.exhaustive(everyone)[1]
    start = search.places[torch.randint(len(search.places), (1600,), generator=generator)]
    found = search.patch_distance(search.improve(start.clone(), 3))
    assert (found >= best - 1e-3).all()
    assert found.mean() < 1.25 * best.mean() < 0.5 * search.patch_distance(start).mean()


def test_a_vote_of_one_shifted_copy_is_that_copy():
    colours = REFERENCE.permute(1, 2, 0).reshape(-1, 3)
    y, x = torch.meshgrid(torch.arange(30), torch.arange(30), indexing="ij")
    picture = vote(colours, (y + 20) * 80 + x + 15, torch.ones(30, 30), (1, 72, 80), 7, 4.0)
    assert torch.allclose(picture, REFERENCE[:, 20:50, 15:45], atol=1e-6)


def turned_field(angle):
    """From a source that shows the reference turned."""
    sources = make_sources([REFERENCE], [angle])
    middle, side = sources.shape[1] // 2, sources.shape[2]
    y, x = torch.meshgrid(torch.arange(middle - 12, middle + 12), torch.arange(middle - 12, middle + 12), indexing="ij")
    part = sources.pictures[0, :, middle - 12 : middle + 12, middle - 12 : middle + 12]
    return Correspondence.of(y * side + x, sources, [REFERENCE]), part


@pytest.mark.parametrize("angle", [0.0, math.pi / 2, 0.6])
def test_the_base_colour_is_rebuilt_from_the_field(angle):
    field, part = turned_field(angle)
    assert torch.allclose(carry([REFERENCE], field), part, atol=2e-3)


def test_a_larger_map_comes_at_its_own_size():
    """A ramp across the map stays a straight ramp: each pixel of the field is a piece of the map, turned as its surroundings were."""
    field, _ = turned_field(0.6)
    ramp = ((torch.arange(320) + 0.5) / 320)[None, None, :].expand(1, 288, 320)
    carried = carry([ramp], field, (96, 96))[0]
    steps = carried.diff(dim=1)
    assert torch.allclose(steps, torch.full_like(steps, math.cos(0.6) / 80 / 4), atol=2e-5)
    assert torch.allclose(carried.diff(dim=0), torch.full((95, 96), math.sin(0.6) / 80 / 4), atol=2e-5)


@pytest.mark.parametrize(("angle", "expected"), [(0.0, (1.0, 0.5)), (math.pi / 2, (0.5, 0.0)), (math.pi, (0.0, 0.5))])
def test_normals_turn_with_their_surroundings(angle, expected):
    """A slope that faced right faces down, as seen, after a quarter turn clockwise."""
    field, _ = turned_field(angle)
    normals = torch.tensor([1.0, 0.5, 0.5])[:, None, None].expand(3, 72, 80).contiguous()
    carried = carry([normals], field, normals=True)
    assert torch.allclose(carried[0], torch.full((24, 24), expected[0]), atol=1e-3)
    assert torch.allclose(carried[1], torch.full((24, 24), expected[1]), atol=1e-3)
    assert torch.allclose((carried * 2 - 1).norm(dim=0), torch.ones(24, 24), atol=1e-5)


def test_where_pieces_do_not_fit_is_found():
    target, placed = torch.cat([REFERENCE[:, 4:68, 2:36], REFERENCE[:, 4:68, 44:78]], 2), torch.ones(64, 68)
    everywhere = torch.ones(72, 80, dtype=torch.bool)
    whole = _Run(Given(target, placed, [REFERENCE], [everywhere]), UPRIGHT, lambda *told: None)._whole([Pose()])
    assert whole[8:-8, 32:36].median() < 0.3
    assert whole[8:-8, 8:20].median() > 0.8
    assert whole[8:-8, 48:60].median() > 0.8


def test_pieces_that_were_put_side_by_side_grow_together(monkeypatch):
    """Two pieces from different places of the reference, without a gap: what is between them becomes the reference's, too."""
    target, placed = torch.cat([REFERENCE[:, 4:68, 2:36], REFERENCE[:, 4:68, 44:78]], 2), torch.ones(64, 68)

    def joint():
        picture = synthesize(target, placed, [REFERENCE], UPRIGHT).picture
        assert (picture - target)[:, 12:52, 8:20].abs().mean() < 0.02, "away from the joint nothing changes"
        return nearest_patches(picture[:, 8:-8, 29:39], REFERENCE).mean()

    free = joint()
    monkeypatch.setattr("selfrect.patches.synthesis._Run._whole", lambda self, poses: torch.ones_like(self.given.placed))
    assert free < joint()


def test_pieces_that_fall_between_the_pixels_of_a_small_size_are_found_to_the_pixel():
    """Without a look at the target itself at each size two in three matches would stay a pixel or more aside."""
    reference = drawing(192, 192, seed=4)
    target, placed = torch.zeros(3, 192, 192), torch.zeros(192, 192)
    target[:, 43:123, 58:138], placed[43:123, 58:138] = reference[:, 20:100, 25:105], 1.0
    field = synthesize(target, placed, [reference], UPRIGHT).correspondence
    y, x = torch.meshgrid(torch.arange(60, 106), torch.arange(75, 121), indexing="ij")
    inner = (slice(60, 106), slice(75, 121))
    off = (field.y[inner] * 192 - 0.5 - (y - 23)).abs() + (field.x[inner] * 192 - 0.5 - (x - 33)).abs()
    assert (off < 0.1).float().mean() > 0.95
