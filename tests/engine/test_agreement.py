# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine against a plain second implementation, on small pipelines with random weights, float32 on the CPU.

That the weights are lively enough for these tests to fail is itself tested: leaving injection out, taking the other reading or
other step counts moves the pictures by far more than the tolerance.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import plain_self_rectification as plain
import pytest
import selfrect
import tiny_checkpoint
import tiny_models
import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders import single_file_utils
from safetensors.torch import load_file

TOLERANCE = 1e-3  # largest difference of one channel of one pixel, pictures in [0, 1]
VISIBLE = 1e-2
AS_THE_PAPER = {"colour_match": 0.0}  # what is beyond it is off
SHORT = plain.Plan(steps=8, p1=3, s1=3, p2=2, s2=1)  # P ≥ 2: the first inversion step goes from a(0) to a(0) and moves nothing


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """These networks are so small that a second thread only waits, and on a busy machine waits long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """variant → pipeline folder, made on first use"""
    made = {}

    def folder(variant: str):
        if variant not in made:
            made[variant] = tiny_models.make_pipeline(tmp_path_factory.mktemp(variant), variant)
        return made[variant]

    return folder


@pytest.fixture(scope="module")
def run(folders):
    """Run the engine: (variant, references, target, plan, more settings) → Result. Models are loaded once."""
    models = {}

    def engine(variant, references, target, plan, **more):
        if variant not in models:
            models[variant] = selfrect.load_model(folders(variant), device="cpu", dtype="float32")
        settings = AS_THE_PAPER | (asdict(plan) if plan else {}) | more
        return selfrect.rectify(models[variant], references, target, settings)

    return engine


@pytest.fixture(scope="module")
def run_plain(folders):
    """Run the plain implementation: (variant, references, target, plan) → ([round 1, round 2], network calls)"""
    return lambda variant, references, target, plan: plain.self_rectify(folders(variant), references, target, plan)


@pytest.fixture(scope="module")
def usual(run):
    """The engine's first round for one reference on the usual plan."""
    return run("sd1", [REFERENCE], TARGET, SHORT).rounds[0]


@pytest.fixture
def counted(monkeypatch):
    """A list to which every network call adds its number of pictures, whoever makes it."""
    pictures, forward = [], UNet2DConditionModel.forward

    def counting(self, sample, *args, **kwargs):
        pictures.append(len(sample))
        return forward(self, sample, *args, **kwargs)

    monkeypatch.setattr(UNet2DConditionModel, "forward", counting)
    return pictures


def draw(height: int, width: int, seed: int) -> np.ndarray:
    """A smooth wave, stripes and a little grain in each channel: (height, width, 3) float32 in [0, 1]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 64 * 2 * np.pi
    channels = []
    for _ in range(3):
        wave = np.sin(rng.uniform(-2, 2) * x + rng.uniform(-2, 2) * y + rng.uniform(0, 6))
        stripes = np.sign(np.sin(rng.uniform(2, 6) * x + rng.uniform(2, 6) * y))
        channels.append(0.5 + 0.2 * wave + 0.15 * stripes)
    picture = np.stack(channels, axis=-1) + rng.normal(0, 0.03, (height, width, 3))
    return np.clip(picture, 0, 1).astype(np.float32)


REFERENCE, TARGET = draw(64, 64, seed=1), draw(64, 64, seed=2)
THREE = [REFERENCE, draw(64, 64, seed=3), draw(64, 64, seed=4)]


def difference(one: np.ndarray, other: np.ndarray) -> float:
    assert one.shape == other.shape
    return float(np.abs(np.clip(one, 0, 1) - other).max())


def assert_agreement(result, pictures, calls) -> None:
    """Both rounds within the tolerance, by no more network calls than the plain way needs."""
    apart = [difference(*pair) for pair in zip(result.rounds, pictures, strict=True)]
    print(f"largest difference: round 1 {apart[0]:.1e}, round 2 {apart[1]:.1e}; calls {result.record['network_calls']}, plain {calls}")
    assert max(apart) < TOLERANCE
    np.testing.assert_array_equal(result.image, np.clip(result.rounds[-1], 0, 1))
    assert 0 < result.record["network_calls"] <= calls


@pytest.mark.parametrize("references", [[REFERENCE], THREE], ids=["N=1", "N=3"])
@pytest.mark.parametrize("injection", ["current", "recorded"])
@pytest.mark.parametrize("variant", ["sd1", "sd2", "sdxl"])
def test_both_readings(run, run_plain, variant, injection, references):
    plan = replace(SHORT, injection=injection)
    assert_agreement(run(variant, references, TARGET, plan), *run_plain(variant, references, TARGET, plan))


def test_empty_prompt_in_words(run, run_plain):
    """An SDXL-shaped folder whose empty prompt is encoded, not zero: other numbers than with zeros, and the engine's agree."""
    pictures, calls = run_plain("sdxl_words", [REFERENCE], TARGET, SHORT)
    assert_agreement(run("sdxl_words", [REFERENCE], TARGET, SHORT), pictures, calls)
    assert difference(run("sdxl", [REFERENCE], TARGET, SHORT).rounds[0], pictures[0]) > VISIBLE


@pytest.mark.parametrize("variant", ["sd1", "sdxl"])
@pytest.mark.parametrize("injection", ["current", "recorded"])
def test_sizes_differ(run, run_plain, variant, injection):
    """Neither square nor alike: latents of 8 × 12, 7 × 5 and 6 × 9 places, some odd at the first halving."""
    references, target = [draw(64, 96, seed=5), draw(56, 40, seed=6)], draw(48, 72, seed=7)
    plan = replace(SHORT, injection=injection)
    result = run(variant, references, target, plan)
    assert result.image.shape == target.shape
    assert_agreement(result, *run_plain(variant, references, target, plan))


@pytest.mark.parametrize(
    ("copies", "turned"),
    [(2, lambda r: [np.rot90(r, 1), np.rot90(r, 2)]), (3, lambda r: [np.rot90(r, k) for k in (1, 2, 3)])],
    ids=["augment=2", "augment=3"],
)
def test_augmentation_is_more_references(run, run_plain, copies, turned):
    """Turned copies are references like any other; one that is not square changes its sides."""
    reference = draw(64, 48, seed=8)
    references = [reference, *(np.ascontiguousarray(copy) for copy in turned(reference))]
    result = run("sd1", [reference], TARGET, SHORT, augment=copies)
    assert_agreement(result, *run_plain("sd1", references, TARGET, SHORT))


def test_opaque_alpha_changes_nothing(run):
    opaque = np.dstack([TARGET, np.ones(TARGET.shape[:2], np.float32)])
    np.testing.assert_array_equal(run("sd1", [REFERENCE], opaque, SHORT).image, run("sd1", [REFERENCE], TARGET, SHORT).image)


# Each departure from the usual plan must be followed by the engine and must show in the picture.
DEPARTURES = {
    "no injection": replace(SHORT, p1=0, s1=SHORT.steps, p2=0, s2=SHORT.steps),
    "detail from the start, no structure": replace(SHORT, p1=0, s1=0, p2=0, s2=0),
    "structure all the way": replace(SHORT, p1=SHORT.steps, s1=SHORT.steps, p2=SHORT.steps, s2=SHORT.steps),
    "one up level": replace(SHORT, last_up_levels=1),
    "three up levels": replace(SHORT, last_up_levels=3),
}


@pytest.mark.parametrize("name", DEPARTURES)
def test_departures_show_and_agree(run, run_plain, usual, name):
    result, (pictures, calls) = run("sd1", [REFERENCE], TARGET, DEPARTURES[name]), run_plain("sd1", [REFERENCE], TARGET, DEPARTURES[name])
    assert_agreement(result, pictures, calls)
    assert difference(usual, pictures[0]) > VISIBLE


def test_no_injection_is_what_it_says(run, run_plain, usual):
    """The plain implementation with injection cut out equals the engine with P = 0 and S = T: the step counts mean what they say."""
    pictures, _ = run_plain("sd1", [REFERENCE], TARGET, replace(SHORT, injection="none"))
    assert difference(run("sd1", [REFERENCE], TARGET, DEPARTURES["no injection"]).rounds[0], pictures[0]) < TOLERANCE
    assert difference(usual, pictures[0]) > VISIBLE


def test_readings_differ(run, usual):
    assert difference(run("sd1", [REFERENCE], TARGET, replace(SHORT, injection="recorded")).rounds[0], usual) > VISIBLE


def test_references_show(run, usual):
    """Another reference, or two more, is another picture: keys and values do come from the references."""
    assert difference(run("sd1", THREE[1:2], TARGET, SHORT).rounds[0], usual) > VISIBLE
    assert difference(run("sd1", THREE, TARGET, SHORT).rounds[0], usual) > VISIBLE


class OneLatentLate(plain.PlainSelfRectification):
    """Mistake: injects X[T−i−1] where X[T−i] is meant."""

    def given(self, sources, i, t):
        late = [plain.Inversion(source.latents[:1] + source.latents, source.recorded[:1] + source.recorded) for source in sources]
        return super().given(late, i, t)


class OneTimestepLate(plain.PlainSelfRectification):
    """Mistake: the schedule's steps_offset of 1 is heeded."""

    def __init__(self, model, plan):
        super().__init__(model, plan)
        self.times = [t + 1 for t in self.times]


class NewStructureInRound2(plain.PlainSelfRectification):
    """Mistake: round 2 takes its structure from the picture of round 1, not from the first target."""

    def invert_keeping_structure(self, picture, target, P):
        return super().invert_keeping_structure(picture, self.invert(picture), P)


class ClampedBetweenRounds(plain.PlainSelfRectification):
    """Mistake: round 2 starts from a picture in [0, 1]."""

    def invert_keeping_structure(self, picture, target, P):
        return super().invert_keeping_structure(np.clip(picture, 0, 1), target, P)


@pytest.mark.parametrize("injection", ["current", "recorded"])
@pytest.mark.parametrize("mistake", [OneLatentLate, OneTimestepLate, NewStructureInRound2, ClampedBetweenRounds])
def test_mistakes_would_show(folders, run, mistake, injection):
    """The tests above can fail: a plain implementation with a likely mistake is far from the engine after two rounds."""
    plan = replace(SHORT, injection=injection)
    with torch.no_grad():
        pictures = mistake(plain.load(folders("sd1")), plan).rounds([REFERENCE], TARGET)
    assert difference(run("sd1", [REFERENCE], TARGET, plan).rounds[1], np.clip(pictures[1], 0, 1)) > VISIBLE


def test_published_settings(run, run_plain, counted):
    """The default settings, T = 50: agreement, and the cost that the method's page promises for one reference."""
    result = run("sd1", [REFERENCE], TARGET, plain.Plan())
    assert result.record["network_calls"] == sum(counted) == 351
    pictures, calls = run_plain("sd1", [REFERENCE], TARGET, plain.Plan())
    assert calls == 400
    assert_agreement(result, pictures, calls)


def test_cost_of_four_references(run, counted):
    """At the engine's own default settings."""
    result = run("sd1", [*THREE, draw(64, 64, seed=9)], TARGET, None)
    assert result.record["references"] == 4
    assert result.record["network_calls"] == sum(counted) == 615


def test_checkpoint_file_is_read_like_the_folder(folders, run_plain, tmp_path):
    """One .safetensors in the original key layout: the engine's pictures are those of the folder that it was written from."""
    path = tiny_checkpoint.write_checkpoint(folders("sd1_single"), tmp_path / "model.safetensors")
    model = selfrect.load_model(path, device="cpu", dtype="float32")
    result = selfrect.rectify(model, [REFERENCE], TARGET, AS_THE_PAPER | asdict(SHORT))
    assert_agreement(result, *run_plain("sd1_single", [REFERENCE], TARGET, SHORT))


def test_checkpoint_file_is_in_the_original_layout(folders, tmp_path):
    """diffusers' own converters make the folder's weights out of it again, so the file is not merely what our loader expects."""
    folder = folders("sd1_single")
    tensors = load_file(tiny_checkpoint.write_checkpoint(folder, tmp_path / "model.safetensors"))
    for name, convert in [("unet", single_file_utils.convert_ldm_unet_checkpoint), ("vae", single_file_utils.convert_ldm_vae_checkpoint)]:
        config = json.loads((folder / name / "config.json").read_text(encoding="utf-8"))
        written, again = load_file(folder / name / "diffusion_pytorch_model.safetensors"), convert(dict(tensors), config)
        assert written.keys() == again.keys()
        assert all(torch.equal(written[key], again[key]) for key in written)
    assert single_file_utils.is_clip_model(tensors)
