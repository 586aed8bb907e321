# SPDX-License-Identifier: GPL-3.0-or-later
"""One run as its callers see it: sizes, seed, report, cancel, record. The numbers are test_agreement's business."""

from __future__ import annotations

import json

import numpy as np
import pytest
import selfrect
from selfrect.engine import Request
from selfrect.engines.self_rectification.method import synthesize
from selfrect.problems import Problem

QUICK = {"patches": "off", "colour_match": 0.0, "steps": 4, "p1": 2, "s1": 1, "p2": 1, "s2": 1}


@pytest.fixture(scope="module")
def model():
    return selfrect.load_model("mini", device="cpu", dtype="float32")


def picture(height=32, width=32, channels=3, seed=0):
    return np.random.default_rng(seed).random((height, width, channels), dtype=np.float32)


def rough(height=32, width=32, seed=1):
    """A target of which the left half is background."""
    target = picture(height, width, 4, seed)
    target[..., 3] = 1
    target[:, : width // 2, 3] = 0
    return target


@pytest.mark.parametrize(
    ("reference", "target"),
    [((32, 32), (32, 32)), ((48, 32), (33, 61)), ((64, 40), (70, 50)), ((32, 32), (32, 96))],
)
def test_the_result_has_the_size_of_the_target(model, reference, target):
    result = selfrect.rectify(model, picture(*reference), picture(*target), QUICK)
    assert result.image.shape == (*target, 3)
    assert result.image.dtype == np.float32
    assert 0 <= result.image.min() <= result.image.max() <= 1
    assert np.isfinite(result.image).all()
    assert [r.shape for r in result.rounds] == [(*target, 3)] * 2
    np.testing.assert_array_equal(result.rounds[-1], result.image)


def test_same_seed_same_picture_other_seed_another(model):
    reference, target = picture(), rough()
    once, again, other = (selfrect.rectify(model, reference, target, {**QUICK, "seed": s}).image for s in (3, 3, 4))
    np.testing.assert_array_equal(once, again)
    assert np.abs(once - other).max() > 0.01


@pytest.mark.parametrize(("dtype", "apart"), [("bfloat16", 0.01), ("float16", 0.002)])
def test_half_precision_makes_the_same_picture(model, dtype, apart):
    half = selfrect.load_model("mini", device="cpu", dtype=dtype)
    exact, rounded = (selfrect.rectify(m, picture(), picture(seed=1), QUICK) for m in (model, half))
    assert 0 < np.abs(exact.image - rounded.image).mean() < apart
    assert rounded.record["dtype"] == dtype


def test_inputs_stay_as_they_were(model):
    reference, target = picture(), rough()
    before = reference.copy(), target.copy()
    selfrect.rectify(model, reference, target, QUICK)
    np.testing.assert_array_equal(reference, before[0])
    np.testing.assert_array_equal(target, before[1])


def test_growing_background_changes_the_background_most(model):
    reference, target = picture(), rough()
    still, grown = (selfrect.rectify(model, reference, target, {**QUICK, "background_eta": eta}).image for eta in (0.0, 1.0))
    change = np.abs(still - grown).mean(2)
    assert change[:, :16].mean() > 1.2 * change[:, 20:].mean() > 0  # attention carries some of it into what was placed


def test_the_references_detail_is_injected(model):
    """With S = T nothing is injected, and what the reference looks like does not matter; else it does."""
    target = picture(seed=1)
    one, other = picture(seed=2), picture(seed=3) ** 3

    def difference(s):
        settings = {**QUICK, "p1": 0, "p2": 0, "s1": s, "s2": s}
        return np.abs(selfrect.rectify(model, one, target, settings).image - selfrect.rectify(model, other, target, settings).image).max()

    assert difference(s=4) == 0
    assert difference(s=0) > 1e-3


def test_several_references_and_turned_copies_are_counted(model):
    result = selfrect.rectify(model, [picture(), picture(40, 48)], picture(), {**QUICK, "augment": 2})
    assert result.record["references"] == 6


@pytest.mark.parametrize("injection", ["current", "recorded"])
def test_the_report_counts_every_call_and_ends_at_the_end(model, injection):
    heard = []
    result = selfrect.rectify(model, picture(), picture(seed=1), {**QUICK, "injection": injection}, lambda *told: heard.append(told))
    stages = list(dict.fromkeys(told[0] for told in heard))
    assert stages == [
        "encode",
        "invert reference",
        "invert target",
        "round 1 inversion",
        "round 1 sampling",
        "decode",
        "round 2 inversion",
        "round 2 sampling",
        "finish",
    ]
    fractions = [told[4] for told in heard]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert all(1 <= step <= steps for _, step, steps, _, _ in heard)
    assert len({f for f in fractions if f}) == result.record["network_calls"]
    assert sum(told[3] is not None for told in heard) >= 2  # a preview after each round, and on the way where it takes long


@pytest.mark.parametrize("at", [1, 5, 12])
def test_cancel_takes_effect_within_one_call(model, at):
    heard = []

    def report(stage, step, steps, preview=None, fraction=0.0):
        heard.append(stage)
        if len(heard) == at:
            raise Problem("cancelled", "Cancelled.", "Start again.")

    with pytest.raises(Problem, match="Cancelled"):
        selfrect.rectify(model, picture(), picture(seed=1), QUICK, report)
    assert len(heard) == at
    assert selfrect.rectify(model, picture(), picture(seed=1), QUICK).image.shape == (32, 32, 3)


def test_the_record_tells_how_to_repeat_it(model):
    record = selfrect.rectify(model, picture(), picture(40, 36, seed=1), {**QUICK, "seed": 9}).record
    assert json.loads(json.dumps(record)) == record
    assert (record["engine"], record["seed"], record["size"], record["dtype"]) == ("self-rectification", 9, [36, 40], "float32")
    assert record["settings"]["steps"] == 4
    assert record["model"]["name"] == "mini"
    assert len(record["model"]["hash"]) == 64
    assert record["peak_memory"] > 2**20
    assert record["seconds"]["total"] >= record["seconds"]["round 1 sampling"] > 0
    assert record["network_calls"] == 2 + 2 + (3 + 1) + (3 + 2) + 3 + 3  # round 2 finds the reference's keys and values made
    assert record["windows"] == {"count": 1, "size": [36, 40]}
    assert record["notes"] == []
    assert record["memory_rung"]["kv"] == "device"
    assert record["seconds_per_call"] > 0


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")])
def test_running_out_of_memory_is_told_as_such(model, monkeypatch, error):
    def exhausted(*_):
        raise error

    monkeypatch.setattr(model.codec, "decode", exhausted)
    with pytest.raises(Problem) as caught:
        selfrect.rectify(model, picture(), picture(seed=1), QUICK)
    assert caught.value.code == "out_of_memory"


def test_other_errors_are_not_taken_for_it(model, monkeypatch):
    def broken(*_):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(model.codec, "decode", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        selfrect.rectify(model, picture(), picture(seed=1), QUICK)


@pytest.fixture
def slow_clock(monkeypatch):
    """Every look at the clock is half a second later than the one before."""
    from selfrect.engines.self_rectification import previews

    class Clock:
        now = 0.0

        def monotonic(self):
            self.now += 0.5
            return self.now

    monkeypatch.setattr(previews, "time", Clock())


def heard_previews(model, target, **more):
    heard = []
    request = Request([picture()], target, 0, {**QUICK, "steps": 10}, **more)
    synthesize(model, request, lambda stage, step, steps, preview=None, fraction=0.0: heard.append((stage, preview)))
    return [(stage, shown) for stage, shown in heard if shown is not None]


def test_previews_come_while_it_samples(model, monkeypatch, slow_clock):
    monkeypatch.setattr("selfrect.engines.self_rectification.previews.SHARE", 1.0)
    shown = heard_previews(model, picture(33, 61, seed=1))
    during = [preview for stage, preview in shown if "sampling" in stage]
    assert 3 <= len(during) < 18
    for _, preview in shown:
        assert preview.shape == (33, 61, 3)
        assert preview.dtype == np.float32
        assert 0 <= preview.min() <= preview.max() <= 1
    last, result = during[-1], shown[-1][1]
    assert np.abs(last - result).mean() < 0.5 * np.abs(during[0] - result).mean() or np.abs(last - result).mean() < 0.1


def test_previews_cost_little_and_are_small(model, monkeypatch, slow_clock):
    """One takes half a second of this clock, so that the next may come after 25: fifty looks at it, more than there are steps."""
    monkeypatch.setattr("selfrect.engines.self_rectification.previews.LONGEST", 32)
    shown = heard_previews(model, picture(48, 96, seed=1))
    assert sum("sampling" in stage for stage, _ in shown) == 1
    assert {preview.shape for _, preview in shown} == {(16, 32, 3)}


def test_nobody_looks_no_preview_is_made(model, slow_clock):
    assert heard_previews(model, picture(seed=1), preview=False) == []


def test_images_inverted_in_one_batch_make_the_same_picture(model, monkeypatch, store):
    """As on a GPU: references of one size two by two, and the target with the odd one out."""
    from selfrect.engines.self_rectification import method

    references, target = [picture(seed=s) for s in (0, 2, 3)], picture(seed=1)
    alone = selfrect.rectify(model, references, target, QUICK)
    store.clear()
    sizes, forward, batches = [], type(model.unet).forward, method._batches
    monkeypatch.setattr(method, "_batches", lambda images, size: batches(images, 2))
    monkeypatch.setattr(type(model.unet), "forward", lambda self, z, *a, **k: sizes.append(len(z)) or forward(self, z, *a, **k))
    together = selfrect.rectify(model, references, target, QUICK)
    assert max(sizes) == 2
    assert sum(sizes) == together.record["network_calls"] == alone.record["network_calls"]
    assert np.abs(alone.image - together.image).max() < 1e-3
    store.clear()
    recorded = [selfrect.rectify(model, references, target, {**QUICK, "injection": "recorded"}).image]
    monkeypatch.setattr(method, "_batches", lambda images, size: batches(images, 1))
    store.clear()
    recorded.append(selfrect.rectify(model, references, target, {**QUICK, "injection": "recorded"}).image)
    assert np.abs(recorded[0] - recorded[1]).max() < 1e-3
