# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps that follow the picture: of a material whose maps are functions of each other, the functions still hold."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from types import SimpleNamespace

import material
import numpy as np
import pytest
import torch
from selfrect.delivery import following
from selfrect.delivery import maps as delivery_maps
from selfrect.delivery.estimates import estimated, height_from, normals_from
from selfrect.delivery.following import follow
from selfrect.delivery.maps import carried, is_vector, map_size
from selfrect.delivery.tiling import met, wrap_ratio
from selfrect.delivery.true_pixels import enlarged
from selfrect.engine import Request, Result, silent
from selfrect.evaluation.tiling import wrap_difference
from selfrect.patches.correspondence import Correspondence
from selfrect.patches.sources import Pose, make_sources
from selfrect.patches.synthesis import Options, synthesize
from selfrect.problems import Problem

SIZE, FINER = 96, 4
HEIGHT, FINE_HEIGHT = material.height_of(SIZE), material.height_of(SIZE, scale=FINER)
REFERENCE = material.base_colour(HEIGHT)
MAPS = {
    "roughness": material.roughness(FINE_HEIGHT),
    "normal": material.normal(FINE_HEIGHT),
    "base_color": material.base_colour(FINE_HEIGHT),
    "height": HEIGHT[..., None],
}
PLAIN = {"tile_x": False, "tile_y": False, "true_pixels": 0.0, "estimate": "none"}


@functools.cache
def rectified(angles: tuple[float, ...], wrap: bool) -> tuple[Request, Result]:
    """As the patches make it."""
    target = material.rough_target(REFERENCE, SIZE, angles)
    layers = torch.from_numpy(target.transpose(2, 0, 1).copy())
    made = synthesize(layers[:3], layers[3], [_layers(REFERENCE)], Options(turns=angles), (wrap, wrap))
    request = Request([REFERENCE], target, maps={name: [one] for name, one in MAPS.items()})
    return request, Result(made.picture.permute(1, 2, 0).numpy(), {"device": "cpu"}, correspondence=made.correspondence)


@pytest.fixture(
    scope="module", params=[((0.0, 0.0), False), ((0.0, 0.0), True), ((0.6, math.pi / 2), False)], ids=["plain", "tiled", "turned"]
)
def followed(request):
    """(request, result before, result after, whether it tiles)."""
    asked, result = rectified(*request.param)
    settings = SimpleNamespace(**PLAIN | {"tile_x": request.param[1], "tile_y": request.param[1]})
    return asked, result, follow(asked, result, settings, silent), request.param[1]


def _layers(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))


def off(one: np.ndarray, other: np.ndarray) -> float:
    """Root of the mean square difference, of the range that the second has."""
    return float(np.sqrt(np.square(one - other).mean()) / np.ptp(other))


def test_every_map_comes_at_its_own_size(followed):
    made = followed[2].maps
    assert {name: one.shape for name, one in made.items()} == {
        "roughness": (384, 384, 1), "normal": (384, 384, 3), "base_color": (384, 384, 3), "height": (96, 96, 1),
    }  # fmt: skip
    assert all(one.dtype == np.float32 for one in made.values())
    assert followed[2].record["maps"]["roughness"] == {"size": [384, 384]}


def test_maps_are_still_functions_of_each_other(followed):
    """Error at most 2 % of the range, seams and all."""
    made = followed[2].maps
    height = material.height_from(made["base_color"])
    assert off(made["roughness"], material.roughness(height)) < 0.02


def test_maps_are_functions_of_the_picture(followed):
    """Of the one that the engine made, which votes have softened and which was not rebuilt from its reference."""
    _, before, after, _ = followed
    wanted = material.roughness(material.height_from(before.image))
    small = after.maps["roughness"].reshape(SIZE, FINER, SIZE, FINER, 1).mean((1, 3))
    assert np.abs(small - wanted).mean() / 0.7 < 0.02


def test_normals_are_those_of_the_height_that_was_carried(followed):
    """Turned pieces with turned normals: the same as if the normals were made of the result's own height."""
    made = followed[2].maps
    normals = made["normal"]
    assert np.abs(np.linalg.norm(normals * 2 - 1, axis=-1) - 1).max() < 1e-5
    wanted = material.normal(material.height_from(made["base_color"]))
    off_by = np.linalg.norm(normals - wanted, axis=-1)
    assert np.median(off_by) < 0.02
    assert off_by.mean() < 0.02


def test_the_field_is_continuous(followed):
    """Most neighbours go on in the same piece."""
    _, before, after, tiled = followed
    assert after.record["field"]["continuity"] > max(0.85, before.correspondence.continuity((tiled, tiled)))


def test_what_tiles_tiles_in_every_map(followed):
    _, _, after, tiled = followed
    for one in (after.image, *after.maps.values()):
        ratios = wrap_difference(one).values()
        assert (max(ratios) <= 1.0) == tiled


def test_bands_make_the_same_as_the_whole(followed, monkeypatch):
    _, _, after, tiled = followed
    once = [carried([MAPS[name]], after.correspondence, (384, 384), (tiled, tiled), is_vector(name)) for name in ("roughness", "normal")]
    monkeypatch.setattr(delivery_maps, "_BAND", 1)
    often = [carried([MAPS[name]], after.correspondence, (384, 384), (tiled, tiled), is_vector(name)) for name in ("roughness", "normal")]
    assert all(np.abs(one - other).max() < 2e-3 for one, other in zip(once, often, strict=True))


# pieces of which it is known where they are from


def halves(left: int, right: int, size: int = 64, pose: Pose | None = None) -> Correspondence:
    """A field (size, size) of two pieces of a reference as large: its columns from `left` on, then those from `right` on, around."""
    column = torch.cat([torch.arange(size // 2) + left, torch.arange(size // 2) + right]) % size
    matches = torch.arange(size)[:, None] * size + column
    reference = torch.zeros(3, size, size)
    return Correspondence.of(matches, make_sources([reference], [pose or Pose()]), [reference])


def test_a_seam_is_spread_and_what_is_fine_stays():
    """A step in the middle, with stripes on both sides."""
    stripes = 0.02 * (np.arange(64) % 2)[None, :, None]
    step = np.broadcast_to(np.where(np.arange(64) < 36, 0.4, 0.6)[None, :, None] + stripes, (64, 64, 1)).astype(np.float32)
    field = halves(0, 32)
    assert np.abs(carried([step], field, (64, 64)) - step).max() < 1e-6  # one piece: the step is the reference's own
    joined = carried([step], halves(0, 40), (64, 64))[32, :, 0]
    plain = np.concatenate([step[32, :32, 0], step[32, 40:64, 0], step[32, :8, 0]])
    assert abs(plain[32] - plain[31]) > 0.17
    assert np.abs(np.diff(joined))[28:35].max() < 0.09
    assert np.abs(joined - plain)[8:20].max() < 0.005


def test_values_stay_within_the_references_of_any_range():
    light = np.random.default_rng(0).random((64, 64, 4)).astype(np.float32) * np.float32([40, 3, 1, 1]) - np.float32([0, 2, 0, 0])
    made = carried([light], halves(5, 40), (64, 64))
    assert (made.min((0, 1)) >= light.min((0, 1))).all()
    assert (made.max((0, 1)) <= light.max((0, 1))).all()
    assert made.max() > 30


POSED = [(Pose(), (0.8, 0.6)), (Pose(0, True), (0.2, 0.6)), (Pose(math.pi / 2), (0.6, 0.2)), (Pose(math.pi / 2, True), (0.6, 0.8))]


@pytest.mark.parametrize(("pose", "expected"), POSED)
def test_normals_are_mirrored_first_and_then_turned(pose, expected):
    normals = np.broadcast_to(np.float32([0.8, 0.6, 0.5 + 0.5 * math.sqrt(1 - 0.36 - 0.04)]), (64, 64, 3))
    made = carried([normals], halves(0, 32, pose=pose), (128, 128), vectors=True)
    assert np.abs(made[..., :2] - expected).max() < 1e-4


def test_each_reference_has_its_own_map_of_its_own_size():
    """Two references, one half each; the first one's map is four times as fine."""
    number = (torch.arange(64) >= 32).long().expand(64, 64)
    at = (torch.arange(64) + 0.5) / 64
    field = Correspondence(number, at.expand(64, 64).clone(), at[:, None].expand(64, 64).clone(), torch.zeros(64, 64), ((64, 64), (64, 64)))
    fine = ((np.arange(256) + 0.5) / 256 * 0.5)[None, :, None] * np.ones((256, 1, 1))
    coarse = ((np.arange(64) + 0.5) / 64 * 0.5)[None, :, None] * np.ones((64, 1, 1))
    made = carried([fine, coarse], field, (256, 256))
    assert np.abs(made - fine).max() < 4e-3  # at the edge the coarse one ends earlier


def test_sizes_follow_the_finest_map():
    references = [np.zeros((100, 50, 3)), np.zeros((30, 30, 3))]
    assert map_size([np.zeros((100, 100, 1)), np.zeros((60, 30, 1))], references, (64, 48)) == (128, 96)


# opposite edges


@pytest.mark.parametrize("tile", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("kind", ["noise", "ramp", "two values", "wall"])
def test_edges_are_brought_together(kind, tile):
    random = np.random.default_rng(1)
    ramp = np.add.outer(np.linspace(0, 1, 40), np.linspace(0, 2, 52))[..., None]
    picture = {
        "noise": random.random((40, 52, 3)), "ramp": ramp + 0.01 * random.random((40, 52, 1)),
        "two values": random.random((40, 52, 1)) > 0.6, "wall": REFERENCE[:70, :81],
    }[kind].astype(np.float32)  # fmt: skip
    before = picture.copy()
    made, changed = met(picture, tile)
    assert all(wrap_ratio(made, axis) <= 1 for axis, wanted in ((1, tile[0]), (0, tile[1])) if wanted)
    assert (picture == before).all()
    assert all(0 < part <= 1 for part in changed.values())
    assert set(changed) <= {name for name, wanted in zip("xy", tile, strict=True) if wanted}


def test_edges_that_meet_are_left_alone():
    y, x = np.meshgrid(*((np.arange(48) + 0.5) * (2 * np.pi / 48),) * 2, indexing="ij")
    picture = (np.cos(x) + np.cos(2 * y))[..., None].astype(np.float32)
    made, changed = met(picture, (True, True))
    assert made is picture
    assert changed == {}


def test_only_what_is_broad_goes_far_from_the_edge():
    """A jump that alternates from row to row is gone a few pixels inside."""
    picture = np.full((64, 64, 1), 0.5, np.float32) + 0.001 * np.random.default_rng(2).random((64, 64, 1)).astype(np.float32)
    picture[::2, 0] += 0.4
    picture[1::2, 0] -= 0.4
    made, _ = met(picture, (True, True))
    assert np.abs(made - picture)[:, 6:-6].max() < 1e-3
    assert np.abs(made - picture)[:, 0].mean() > 0.1


# true pixels and guesses


def test_true_pixels_replace_the_picture_by_the_references_own():
    request, result = rectified((0.0, 0.0), False)
    request = replace(request, maps={})
    stripes = 0.02 * np.sin(np.arange(SIZE))[None, :, None]
    soft = replace(result, image=np.clip(result.image + stripes, 0, 1).astype(np.float32))
    made = {part: follow(request, soft, SimpleNamespace(**PLAIN | {"true_pixels": part}), silent).image for part in (0.0, 0.5, 1.0)}
    assert (made[0.0] == soft.image).all()
    assert np.allclose(made[0.5], (made[0.0] + made[1.0]) / 2, atol=1e-6)
    assert np.abs(made[1.0] - result.image).mean() < 0.5 * np.abs(made[0.0] - result.image).mean()


def test_true_pixels_leave_what_the_mask_protects():
    request, result = rectified((0.0, 0.0), False)
    request = replace(request, maps={})
    mask = np.zeros((SIZE, SIZE), np.float32)
    mask[20:50, 20:50] = 1
    request = replace(request, mask=mask)
    made = follow(request, result, SimpleNamespace(**PLAIN | {"true_pixels": 1.0}), silent).image
    protected = mask == 0
    assert (made[protected] == result.image[protected]).all()
    assert (made[~protected] != result.image[~protected]).any()


def test_around_a_healed_place_all_maps_stay_bit_by_bit():
    """The texture is its own reference, with a hole."""
    mask = np.zeros((SIZE, SIZE), np.float32)
    mask[30:60, 40:70] = 1
    target = np.where(mask[..., None] > 0, np.roll(REFERENCE, 32, 1), REFERENCE)
    wide = {name: [one] for name, one in MAPS.items() if name != "base_color"}
    request = Request([REFERENCE], target, mask=mask, maps=wide)
    made = follow(request, Result(target, {}), SimpleNamespace(**PLAIN), silent).maps
    for name, one in made.items():
        larger = np.kron(mask, np.ones((len(one) // SIZE,) * 2)) > 0
        assert (one[~larger] == MAPS[name][~larger]).all()
        assert (one[larger] != MAPS[name][larger]).any()
        border = np.abs(np.diff(one, axis=0))[(len(one) // SIZE) * 30 - 1].mean()
        assert border <= np.abs(np.diff(MAPS[name], axis=0)).mean((1, 2)).max()  # no step along it
    normals = made["normal"][150:200, 200:250] * 2 - 1
    assert np.abs(np.linalg.norm(normals, axis=-1) - 1).max() < 1e-5


def test_a_larger_base_colour_takes_its_part_of_the_picture():
    request, result = rectified((0.0, 0.0), False)
    darker = replace(result, image=result.image * np.float32(0.9))
    half = follow(request, darker, SimpleNamespace(**PLAIN | {"true_pixels": 0.5}), silent).maps["base_color"]
    whole = follow(request, darker, SimpleNamespace(**PLAIN | {"true_pixels": 1.0}), silent).maps["base_color"]
    assert np.allclose(half, (whole + enlarged(darker.image, whole.shape[:2], (False, False))) / 2, atol=1e-5)


def test_a_picture_is_enlarged_around_its_edges():
    y, x = np.meshgrid(*((np.arange(16) + 0.5) * (2 * np.pi / 16),) * 2, indexing="ij")
    picture = (np.cos(x) + np.cos(y))[..., None].astype(np.float32)
    large = enlarged(picture, (64, 64), (True, True))
    assert wrap_difference(large)["x"] < 1.1
    assert np.abs(large.reshape(16, 4, 16, 4, 1).mean((1, 3)) - picture).max() < 0.05


def test_nothing_is_guessed_that_nobody_asked_for():
    assert estimated(REFERENCE, {}, "none", (False, False)) == {}


@pytest.mark.parametrize(("wanted", "names"), [("height", {"height"}), ("normal", {"normal"}), ("both", {"height", "normal"})])
def test_guesses_are_marked(wanted, names):
    request, result = Request([REFERENCE], None), Result(REFERENCE, {})
    made = follow(request, result, SimpleNamespace(**PLAIN | {"estimate": wanted}), silent)
    assert set(made.maps) == names
    assert set(made.record["estimated"]) == names
    assert all("base colour" in origin for origin in made.record["estimated"].values())


def test_what_the_material_has_is_not_guessed():
    height = HEIGHT[..., None]
    made = estimated(REFERENCE, {"displacement": height}, "both", (False, False))
    assert set(made) == {"normal"}
    assert made["normal"][1] == "displacement"
    assert np.abs(made["normal"][0] - normals_from(height, (False, False))).max() == 0
    assert estimated(REFERENCE, {"height": height, "normal": MAPS["normal"]}, "both", (False, False)) == {}


def test_a_guessed_height_rises_with_the_true_one_and_its_normals_are_unit():
    guess = height_from(REFERENCE, (False, False))
    assert guess.min() >= 0
    assert guess.max() <= 1
    assert np.corrcoef(guess.ravel(), HEIGHT.ravel())[0, 1] > 0.8
    normals = normals_from(guess, (True, True)) * 2 - 1
    assert np.abs(np.linalg.norm(normals, axis=-1) - 1).max() < 1e-5
    assert np.corrcoef(normals[..., 0].ravel(), (material.normal(HEIGHT)[..., 0]).ravel())[0, 1] > 0.7
    assert np.corrcoef(normals[..., 1].ravel(), (material.normal(HEIGHT)[..., 1]).ravel())[0, 1] > 0.7


def test_where_the_memory_of_a_device_ends_the_field_is_found_on_the_cpu(monkeypatch):
    """A device that is not there behaves alike: what it raises says so."""
    request, result = rectified((0.0, 0.0), False)
    asked, found = [], following.correspond

    def correspond(wanted, *rest):
        asked.append(wanted.result.device.type)
        return found(wanted, *rest)

    def away(tensor, *to, plain=torch.Tensor.to, **how):
        if to == ("cuda",):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return plain(tensor, *to, **how)

    monkeypatch.setattr(following, "correspond", correspond)
    monkeypatch.setattr(torch.Tensor, "to", away)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: asked.append("emptied"))
    made = following._field(request, replace(result, record={"device": "cuda"}), following._compared(request), (False, False), lambda: None)
    assert asked == ["emptied", "cpu"]
    assert made.x.shape == (SIZE, SIZE)


def test_it_is_told_and_can_be_stopped():
    heard = []
    request, result = rectified((0.0, 0.0), False)
    follow(request, result, SimpleNamespace(**PLAIN), lambda stage, step, steps, *_: heard.append((stage, step, steps)))
    assert {stage for stage, *_ in heard} == {"maps"}
    assert [step for _, step, _ in heard] == sorted(step for _, step, _ in heard)
    assert len(heard) < 60  # not with every step of the search

    def cancel(*_):
        raise Problem("cancelled", "Cancelled.", "")

    with pytest.raises(Problem, match="Cancelled"):
        follow(request, result, SimpleNamespace(**PLAIN), cancel)
