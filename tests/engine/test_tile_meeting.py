# SPDX-License-Identifier: GPL-3.0-or-later
"""Where edges of what is placed do not meet it is let go, and the references go on across them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import selfrect
import torch
from selfrect import registry
from selfrect.delivery import deliver
from selfrect.delivery.maps import of_unit_length
from selfrect.delivery.tiling import met, within_its_range, wrap_ratio
from selfrect.engine import Request, Result, silent
from selfrect.engines.self_rectification import edges, finish
from selfrect.patches.given import Given
from selfrect.patches.meeting import borders, let_go

SIZE = 64
HALF = slice(SIZE // 2, None)


def seen() -> torch.Tensor:
    """Soft waves that go around; below the middle the right edge is darker than the left one."""
    line = torch.arange(SIZE) * (2 * torch.pi / SIZE)
    picture = (0.5 + 0.1 * torch.sin(line + 3 * line[:, None]))[None].repeat(3, 1, 1)
    picture[:, HALF] -= 0.3 * torch.linspace(0, 1, SIZE)
    return picture


def given(wrap=(True, False), **more) -> Given:
    return Given(seen(), torch.ones(SIZE, SIZE), [seen()], [torch.ones(SIZE, SIZE, dtype=torch.bool)], wrap, **more)


def unlike() -> torch.Tensor:
    """Patches across the lower half of the edge are like nothing."""
    far = torch.ones(SIZE, SIZE)
    far[HALF, :3] = far[HALF, -3:] = 5
    return far


def kept(what: Given, far: torch.Tensor, placed: torch.Tensor | None = None) -> torch.Tensor:
    """(H, W) bool: what is still placed."""
    return let_go(what, seen(), what.placed > 0.5 if placed is None else placed, far, 0).placed > 0.5


def test_only_what_does_not_meet_is_let_go():
    left = kept(given(), unlike())
    assert not left[SIZE // 2 + 4 : -4, [0, -1]].any()
    assert left[: SIZE // 2 - 14].all(), "what meets stays"
    assert left[:, SIZE // 4 : -SIZE // 4].all(), "only what is along the edge"
    for side in (left[HALF, : SIZE // 2], left[HALF, SIZE // 2 :]):
        assert len(set(side.sum(1).tolist())) > 2, "no straight border"
    below = let_go(given((False, True)), seen().mT, torch.ones(SIZE, SIZE, dtype=torch.bool), unlike().mT, 0)
    assert not (below.placed[[0, -1], SIZE // 2 + 4 : -4] > 0.5).any()
    assert kept(given((False, False)), unlike()).all(), "edges that need not meet"


def test_a_step_of_the_texture_s_own_and_what_is_rare_stay():
    assert kept(given(), torch.ones(SIZE, SIZE)).all(), "a step, but the references know it"
    far = torch.ones(SIZE, SIZE)
    far[8:20, :3] = far[8:20, -3:] = 5
    assert kept(given(), far).all(), "rare, but no step"
    beside = torch.ones(SIZE, SIZE, dtype=torch.bool)
    beside[:, :5] = False
    assert kept(given(), unlike(), beside).all(), "background goes on by itself"


def test_pixels_that_stay_are_not_let_go():
    fixed = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    fixed[:, -12:] = True
    left = kept(given(fixed=fixed), unlike())
    assert left[:, -12:].all()
    assert not left[SIZE // 2 + 4 : -4, 0].any()


def test_borders_go_around_and_stay_within_the_band():
    for length, band in ((256, 20.0), (64, 5.0), (40, 10.0), (9, 2.0)):
        wide = borders(length, band, 0)
        assert wide.shape == (2, length)
        assert (wide <= band + 1e-4).all()
        assert (wide > 0.3 * band).all()
        assert (wide[:, 0] - wide[:, -1]).abs().max() <= 2 * wide.diff(dim=1).abs().max()
        assert torch.equal(wide, borders(length, band, 0))
        assert not torch.equal(wide, borders(length, band, 1))


def waves(size: int, seed: int = 0) -> np.ndarray:
    """Soft and without a period, as far as the picture goes; it goes around."""
    spectrum = np.fft.fft2(np.random.default_rng(seed).standard_normal((size, size, 3)), axes=(0, 1))
    wide = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))[..., None]
    picture = np.fft.ifft2(spectrum * np.exp(-((wide * 20) ** 2)), axes=(0, 1)).real
    return (0.5 + 0.15 * picture / picture.std()).astype(np.float32)


def test_a_whole_texture_is_made_to_tile_and_stays_itself():
    """No edge is told any more by the measure that finds edges that do not meet, and inside all is as it was."""
    target = np.ascontiguousarray(waves(128)[:96, :100])
    assert edges.apart(target, 0)
    assert edges.apart(target, 1)
    settings = {"tile_x": True, "tile_y": True}
    made = registry.synthesize("self-rectification", "mini", "cpu", "float32", Request([target], target, 0, settings)).image
    assert [edges.apart(made, axis) for axis in (0, 1)] == [False, False]
    assert np.abs(made - target)[24:-24, 24:-24].max() < 0.05


def test_patches_after_the_network_follow_the_mended_target(monkeypatch):
    target = np.ascontiguousarray(waves(64)[:, :48])
    followed, draw = [], finish.draw
    monkeypatch.setattr(finish, "draw", lambda request, *more: followed.append(request.target) or draw(request, *more))
    model = selfrect.load_model("mini", device="cpu", dtype="float32")
    quick = {"colour_match": 0.0, "steps": 2, "p1": 1, "s1": 1, "rounds": 1, "tile_x": True, "patches": "finish"}
    made = selfrect.rectify(model, waves(64), target, quick)
    assert edges.MENDED in made.record["notes"]
    assert edges.apart(target, 1)
    assert not edges.apart(followed[0], 1)
    assert wrap_ratio(made.image, 1) <= 1


@pytest.mark.parametrize("size", [(48, 41), (31, 64), (9, 5)])
def test_light_above_white_meets_too(size):
    """The target's own light comes back where nothing was changed: beside it, white without any."""
    random = np.random.default_rng(0)
    target = (0.4 + 0.02 * random.random((*size, 3))).astype(np.float32)
    target[:, :2], target[:, -2:] = 1, 2 + 0.1 * random.random((size[0], 2, 3))
    settings = SimpleNamespace(tile_x=True, tile_y=True, true_pixels=0.0, estimate="none", colour_match=0.0)
    made = deliver(Request([target.clip(0, 1)], target), Result(target.clip(0, 1), {}), settings, silent).image
    assert [wrap_ratio(made, axis) <= 1 for axis in (0, 1)] == [True, True]
    assert made.max() > 1


@pytest.mark.parametrize("size", [(3, 90), (89, 4), (17, 31), (64, 48)])
@pytest.mark.parametrize("kind", ["two values", "normals", "light"])
def test_maps_of_any_size_and_kind_meet_and_stay_what_they_are(kind, size):
    random, slope = np.random.default_rng(1), np.linspace(0, 1, size[1])[None, :, None]
    one = {
        "two values": random.random((*size, 1)) > 1 - 0.6 * slope, "normals": random.normal(0.5, 0.05, (*size, 3)) + [0.3, 0, 0.4] * slope,
        "light": np.exp(4 * random.random((*size, 3)) * slope),
    }[kind].astype(np.float32)  # fmt: skip
    one = of_unit_length(one) if kind == "normals" else one
    made, _ = met(one, (True, True), of_unit_length if kind == "normals" else within_its_range(one))
    assert [wrap_ratio(made, axis) <= 1 for axis in (0, 1)] == [True, True]
    if kind == "normals":
        assert np.allclose(np.linalg.norm(made * 2 - 1, axis=2), 1, atol=1e-4)
    else:
        assert made.min() >= one.min()
        assert made.max() <= one.max()
