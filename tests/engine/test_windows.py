# SPDX-License-Identifier: GPL-3.0-or-later
"""Any size: where the windows lie, how they are blended, that nothing of them is seen, and that memory stays the same."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
import selfrect
import tiny_models
import torch
from diffusers import UNet2DConditionModel
from selfrect import kept
from selfrect.engines.self_rectification.latents import Latents, _SpillFile
from selfrect.engines.self_rectification.windows import Box, Grid, Windows, tiles, windows_of
from selfrect.problems import Problem

SIZES = [(16, 16), (24, 25), (25, 24), (40, 96), (100, 17), (129, 64)]
SIXTEEN = Windows(16, 24)


# ---------------------------------------------------------------- where they lie


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("j", [0, 1, 7, 49])
def test_every_place_is_covered_and_neighbours_overlap(size, j):
    grid = Grid(*size, SIXTEEN)
    covered = torch.zeros(size)
    for box in grid.boxes(j):
        assert box.height == grid.window[0]
        assert box.width == grid.window[1]
        assert min(box.top, box.left) >= 0
        assert box.top + box.height <= size[0]
        assert box.left + box.width <= size[1]
        box.cut(covered).add_(1)
    assert covered.min() >= 1
    assert len(grid.boxes(j)) == grid.count
    for axis, length in enumerate(size):
        starts = sorted({box[axis] for box in grid.boxes(j)})
        assert starts[0] == 0
        assert starts[-1] == length - grid.window[axis]
        assert all(b - a <= 12 for a, b in itertools.pairwise(starts))  # overlap: at least a quarter of 16


def test_small_targets_go_in_one_piece():
    assert Grid(24, 24, SIXTEEN).count == 1
    assert Grid(24, 24, SIXTEEN).window == (24, 24)
    assert Grid(25, 24, SIXTEEN).count == 2


def test_windows_move_from_step_to_step():
    grid = Grid(16, 100, SIXTEEN)
    assert len({box for j in range(50) for box in grid.boxes(j)}) > 2 * grid.count


def test_the_count_is_linear_in_the_area():
    counts = [Grid(side, side, Windows(64, 96)).count for side in (256, 512, 1024)]
    assert counts == [36, 144, 529]


@pytest.mark.parametrize(
    ("asked", "sample_size", "factor", "room", "windows"),
    [
        (0, 64, 8, None, Windows(64, 96)),  # SD 1.x: 512 px
        (0, 128, 8, None, Windows(128, 192)),  # SDXL: 1024 px
        (0, 64, 4, None, Windows(128, 192)),  # mini: 512 px
        (0, None, 8, None, Windows(64, 96)),
        (768, 64, 8, None, Windows(96, 144)),
        (1, 64, 8, None, Windows(16, 24)),  # never below 128 px
        (0, 64, 8, 64, Windows(64, 64)),
        (0, 64, 8, 48, Windows(48, 48)),
        (256, 64, 8, 64, Windows(32, 48)),
    ],
)
def test_the_side_of_a_window(asked, sample_size, factor, room, windows):
    assert windows_of(asked, sample_size, factor, room) == windows


@pytest.mark.parametrize("size", SIZES)
def test_tiles_cover_a_reference(size):
    covered = torch.zeros(size)
    for box in tiles(*size, SIXTEEN):
        box.cut(covered).add_(1)
    assert covered.min() >= 1
    assert tiles(24, 24, SIXTEEN) == [Box(0, 0, 24, 24)]


# ---------------------------------------------------------------- blending


@pytest.mark.parametrize("size", SIZES)
def test_what_all_windows_agree_on_stays_as_it_is(size):
    z = torch.randn(1, 3, *size)
    blended = Grid(*size, SIXTEEN).blend(z, 3, lambda part, box: part * 2)
    torch.testing.assert_close(blended, z * 2)


def test_one_window_is_the_paper_exactly():
    z = torch.randn(1, 3, 20, 20)
    assert Grid(20, 20, SIXTEEN).blend(z, 3, lambda part, box: part) is z


def test_where_windows_disagree_the_way_from_one_to_the_other_is_smooth():
    grid, values = Grid(64, 200, Windows(64, 96)), iter([0.0, 1.0, 0.0, 1.0, 0.0])
    blended = grid.blend(torch.zeros(1, 1, 64, 200), 3, lambda part, box: torch.full_like(part, next(values)))
    assert blended.max() > 0.95
    assert blended.diff(dim=3).abs().max() < 0.15  # unblended it would be 1


# ---------------------------------------------------------------- around the edges of a target that tiles


WRAPS = {"x": (True, False), "y": (False, True), "xy": (True, True)}


@pytest.mark.parametrize("axes", WRAPS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("j", [0, 1, 7, 49])
def test_what_windows_agree_on_around_the_edges_stays_too(size, j, axes):
    z, count = torch.randn(1, 3, *size), torch.zeros(size)
    grid = Grid(*size, SIXTEEN, WRAPS[axes])
    blended = grid.blend(z, j, lambda part, box: part * 2)
    torch.testing.assert_close(blended, z * 2)
    for box in grid.boxes(j):
        box.add(count, torch.ones(grid.window))
        assert box.cut(z).shape[2:] == grid.window
    assert count.min() >= 1
    assert len(grid.boxes(j)) == grid.count


def test_a_box_that_goes_around_takes_and_gives_the_same_places():
    z = torch.arange(5 * 7).view(1, 1, 5, 7).float()
    box, rolled = Box(3, 5, 4, 6), z.roll((-3, -5), (2, 3))[..., :4, :6]
    assert torch.equal(box.cut(z), rolled)
    given = torch.zeros_like(z)
    box.add(given, box.cut(z))
    assert torch.equal(given != 0, torch.isin(z, rolled) & (z != 0))
    assert torch.equal(given, torch.where(given != 0, z, 0))


def test_on_a_ring_every_place_is_as_often_near_a_border():
    grid = Grid(64, 200, Windows(64, 96), (True, False))
    starts = torch.tensor([box.left for j in range(50) for box in grid.boxes(j)])
    assert grid.count == 5
    near_the_edge = ((starts < 20) | (starts >= 180)).float().mean()
    assert 0.15 < near_the_edge < 0.25  # a fifth of the places
    plain = Grid(64, 200, Windows(64, 96))
    assert all(0 in {box.left for box in plain.boxes(j)} for j in range(50))


def test_the_network_itself_goes_around_only_where_there_is_one_window():
    assert Grid(24, 24, SIXTEEN, (True, True)).around == (True, True)
    assert Grid(24, 25, SIXTEEN, (True, True)).around == (False, True)
    assert Grid(25, 24, SIXTEEN, (True, False)).around == (True, False)
    assert Grid(24, 24, SIXTEEN).around == (False, False)


# ---------------------------------------------------------------- in a run

QUICK = {"patches": "off", "steps": 4, "p1": 2, "s1": 1, "p2": 2, "s2": 1}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tiny_models.make_pipeline(tmp_path_factory.mktemp("sd1"), "sd1")
    return selfrect.load_model(folder, device="cpu", dtype="float32")


def picture(height, width, seed=0):
    coarse = np.random.default_rng(seed).random((-(-height // 8), -(-width // 8), 3), dtype=np.float32)
    return np.ascontiguousarray(coarse.repeat(8, 0).repeat(8, 1)[:height, :width])


@pytest.fixture
def sizes(monkeypatch):
    """Of what the network saw, call by call."""
    seen, forward = [], UNet2DConditionModel.forward

    def watching(self, sample, *args, **kwargs):
        seen.append(tuple(sample.shape[2:]))
        return forward(self, sample, *args, **kwargs)

    monkeypatch.setattr(UNet2DConditionModel, "forward", watching)
    return seen


@pytest.mark.parametrize("injection", ["current", "recorded"])
def test_calls_progress_and_record_in_windows(model, sizes, injection):
    heard = []
    target = picture(130, 300)
    result = selfrect.rectify(
        model, picture(64, 64, 1), target, {**QUICK, "window": 128, "injection": injection}, lambda *told: heard.append(told)
    )
    assert result.image.shape == target.shape
    assert result.record["windows"] == {"count": 3, "size": [128, 136]}  # 38 × 17 latent pixels; 17 go in one piece
    assert result.record["network_calls"] == len(sizes)
    assert set(sizes) == {(8, 8), (17, 16)}
    assert sizes.count((17, 16)) % 3 == 0
    assert len({told[4] for told in heard if told[4]}) == len(sizes)
    assert heard[-1][4] == 1.0


def test_no_window_is_asked_for_in_vain(model):
    one, other = (selfrect.rectify(model, picture(64, 64, 1), picture(96, 96), {**QUICK, "window": w}).image for w in (0, 4096))
    np.testing.assert_array_equal(one, other)


def test_a_large_reference_goes_in_windows_too(model, sizes):
    result = selfrect.rectify(model, picture(256, 256, 1), picture(64, 64), {**QUICK, "window": 128})
    assert result.record["network_calls"] == len(sizes)
    assert set(sizes) == {(16, 16), (8, 8)}
    sizes.clear()
    again = selfrect.rectify(model, picture(256, 256, 1), picture(64, 64, 2), {**QUICK, "window": 128})
    assert again.record["network_calls"] == len(sizes)
    assert (16, 16) not in sizes


def test_cancel_takes_effect_within_one_window(model, sizes):
    def report(stage, step, steps, preview=None, fraction=0.0):
        if stage == "round 1 sampling" and step == 3:
            sizes.clear()
            raise Problem("cancelled", "Cancelled.", "Start again.")

    with pytest.raises(Problem, match="Cancelled"):
        selfrect.rectify(model, picture(64, 64, 1), picture(256, 256), {**QUICK, "window": 128}, report)
    assert sizes == []


def test_windows_of_the_model_itself_share_inversions_with_none(model):
    """A kept inversion in windows is not taken for one in one piece."""
    whole = selfrect.rectify(model, picture(64, 64, 1), picture(224, 224), QUICK)
    parts = selfrect.rectify(model, picture(64, 64, 1), picture(224, 224), {**QUICK, "window": 128})
    kept.use(memory=0, disk=0)
    fresh = selfrect.rectify(model, picture(64, 64, 1), picture(224, 224), {**QUICK, "window": 128})
    assert parts.record["network_calls"] < fresh.record["network_calls"]  # of the reference, which is the same
    np.testing.assert_allclose(parts.image, fresh.image, atol=1e-5)
    assert np.abs(whole.image - parts.image).max() > 1e-3


def seam(image, places):
    """How much larger the step across the places (columns) is than between other neighbours."""
    steps = np.abs(np.diff(image, axis=1)).mean((0, 2))
    at = np.isin(np.arange(len(steps)), np.asarray(places) - 1)
    return steps[at].mean() / steps[~at].mean()


def test_no_window_border_can_be_measured():
    """mini on grain at 128 px windows, smallest and most of them: at the windows' borders the picture steps no more than elsewhere."""
    mini = selfrect.load_model("mini", device="cpu", dtype="float32")
    rng = np.random.default_rng(0)
    reference, target = (np.clip(0.5 + 0.15 * rng.standard_normal(s), 0, 1).astype(np.float32) for s in ((64, 64, 3), (128, 416, 3)))
    settings = {**QUICK, "window": 128, "rounds": 1}
    result = selfrect.rectify(mini, reference, target, settings)
    grid = Grid(32, 104, Windows(32, 48))
    borders = sorted({x for j in range(1, 4) for box in grid.boxes(j) for x in (box.left * 4, (box.left + box.width) * 4) if 0 < x < 416})
    assert result.record["windows"]["count"] == grid.count
    shown = seam(result.image, borders)
    patches = seam(result.image, [x for x in range(4, 416, 4) if x not in borders])  # the model's own 4 × 4 patches show a little
    assert shown < 1.1 * patches
    broken = result.image.copy()
    for x in borders[::2]:
        broken[:, x:] += 0.02  # the measure can fail
    assert seam(broken, borders) > seam(result.image, borders)


# ---------------------------------------------------------------- memory


def test_latents_lie_where_there_is_room(monkeypatch):
    z = {n: torch.randn(1, 4, 8, 8) for n in range(1, 6)}
    for limit in (2**30, 0):
        monkeypatch.setattr("selfrect.engines.self_rectification.latents.IN_RAM", limit)
        monkeypatch.setattr("selfrect.engines.self_rectification.latents.ON_DEVICE", limit)
        latents = Latents(torch.device("cpu"), 1024, 50, frozenset({3, 5}))
        for n, latent in z.items():
            latents[n] = latent
        there = [1, 2, 3, 4, 5] if limit else [1, 3, 5]
        assert [n for n in range(1, 6) if n in latents] == there
        assert all(torch.equal(latents[n], z[n]) for n in there)
        assert torch.equal(latents[0], z[1])
        assert len(latents.tensors()) == (5 if limit else 0)


def test_a_full_disk_leaves_latents_in_memory(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("selfrect.engines.self_rectification.latents.IN_RAM", 0)
    monkeypatch.setattr("selfrect.engines.self_rectification.latents.ON_DEVICE", 0)
    latents = Latents(torch.device("cpu"), 1024, 50, frozenset({3}))
    monkeypatch.setattr(_SpillFile, "_write", full)
    latents[3] = torch.ones(1, 4, 8, 8)
    assert torch.equal(latents[3], torch.ones(1, 4, 8, 8))


PEAK = """
import sys, tiny_models, numpy as np, selfrect, torch
from selfrect import kept
from selfrect.system_memory import peak
torch.set_num_threads(1)
kept.use(disk=0)
model = selfrect.load_model(sys.argv[1], device="cpu", dtype="float32")
side = int(sys.argv[2])
target = np.random.default_rng(0).random((side, side, 3), dtype=np.float32)
selfrect.rectify(model, target[:64, :64].copy(), target, {"steps": 2, "p1": 0, "s1": 0, "rounds": 1, "window": 128})
print(peak())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="measured on POSIX")
def test_memory_grows_by_the_picture_alone(tmp_path):
    """Four times the area costs some copies of the picture, and nothing of the network's own."""
    folder = tiny_models.make_pipeline(tmp_path / "sd1", "sd1")

    def peak(side):
        words = [sys.executable, "-c", PEAK, str(folder), str(side)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, cwd=tiny_models.__file__.rsplit("/", 1)[0])
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    more = 12 * (768**2 - 384**2)  # bytes of a float32 picture
    assert peak(768) - peak(384) < 30 * more
